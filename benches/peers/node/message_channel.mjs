// MessageChannel: an actor is a port of its own on this thread; what it gets is a structured clone of what was sent.
import { MessageChannel } from 'node:worker_threads'
import { main } from './measure.mjs'
import { workloads } from './workloads.mjs'

const asks = new Map()
let asked = 0

/** A clone of a Buffer is a Uint8Array; a handler wants a Buffer's methods. */
const asBuffer = ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)

const system = {
  spawn: (handler) => {
    const { port1, port2 } = new MessageChannel()
    port2.onmessage = ({ data }) => {
      if (data instanceof Uint8Array) handler(asBuffer(data))
      else port2.postMessage({ ask: data.ask, answer: handler(asBuffer(data.body)) })
    }
    port1.onmessage = ({ data }) => {
      const answer = asks.get(data.ask)
      asks.delete(data.ask)
      answer(data.answer)
    }
    return port1
  },
  send: (to, message) => to.postMessage(message),
  ask: (to, body) =>
    new Promise((resolve) => {
      asks.set((asked += 1), resolve)
      to.postMessage({ ask: asked, body })
    }),
  stopSelf: (me) => me.close(),
  sendAfter: (to, delay, message) => setTimeout(() => to.postMessage(message), delay),
}

await main(workloads(system))
