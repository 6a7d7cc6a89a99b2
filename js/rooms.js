// Rooms: sends that wait until a full mailbox has room, those to one actor in the order they were made.
'use strict'

const { types } = require('node:util')

const { PROXY, optionsOf, pidOf, signalOf, timeoutOf } = require('./arguments.js')
const f = require('./frame.js')
const { isView } = require('./originals.js')
const { Waiting } = require('./waiting.js')

class Rooms {
  #core
  /** By pid who waits, oldest first. */
  #queues = new Map()
  /** Pids of actors of other nodes that are watched for room. */
  #watched = new Set()

  constructor(core) {
    this.#core = core
  }

  send(pid, data, options) {
    return new Promise((resolve, reject) => {
      const timeoutMs = timeoutOf(optionsOf(options).timeout)
      const signal = signalOf(options)
      if (signal?.aborted) throw signal.reason
      const queue = this.#queues.get(pidOf(pid))
      // Who came earlier goes first: the order of one sender's messages is kept.
      if (queue === undefined && (this.#offer(pid, data) || !this.#isAlive(pid))) return resolve(this.#isAlive(pid))
      resolve(this.#wait(pid, copyOf(data), { timeoutMs, signal }))
    })
  }

  #offer(pid, data) {
    const sent = this.#core.hot.offer(pid, data)
    if (sent === undefined) return true
    if (sent !== f.REFUSED) this.#core.drain.schedule()
    return sent === f.ACCEPTED_SCHEDULE
  }

  #isAlive(pid) {
    return this.#core.hot.isAlive(pid)
  }

  #wait(pid, data, { timeoutMs, signal }) {
    const queue = this.#queues.get(pid) ?? new Set()
    this.#queues.set(pid, queue)
    const onEnd = (waiting) => {
      queue.delete(waiting)
      if (queue.size === 0) this.#queues.delete(pid)
    }
    const waiting = new Waiting({ timeoutMs, signal, onTimeout: () => false, onEnd })
    waiting.data = data
    queue.add(waiting)
    if (pid >= PROXY) this.#watch(pid)
    return waiting.promise
  }

  /** Room at another node is made on other threads, which tell of it. Who waits then tries again. */
  async #watch(pid) {
    const { asks, native } = this.#core
    if (this.#watched.has(pid)) return
    this.#watched.add(pid)
    try {
      while (this.#queues.has(pid)) {
        await asks.call((number) => native.whenRoom(pid, number))
        this.retry()
      }
    } catch {
      // The runtime closed, which ends all waits.
    }
    this.#watched.delete(pid)
  }

  /** True: this wait is over. */
  #try(pid, waiting) {
    try {
      const sent = this.#offer(pid, waiting.data)
      if (!sent && this.#isAlive(pid)) return false
      waiting.resolve(sent)
    } catch (error) {
      waiting.reject(error)
    }
    return true
  }

  /** Room may have been made: whoever waits tries again. */
  retry() {
    for (const [pid, queue] of this.#queues) {
      for (const waiting of queue) {
        if (!this.#try(pid, waiting)) break
        queue.delete(waiting)
      }
      if (queue.size === 0) this.#queues.delete(pid)
    }
  }
}

/** The data as they are now: the sender may change its buffer while the message waits. */
function copyOf(data) {
  if (isView(data)) {
    const copy = Buffer.alloc(data.byteLength)
    if (copy.length > 0) copy.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    return copy
  }
  if (!types.isArrayBuffer(data)) return data
  return data.byteLength > 0 ? data.slice(0) : new ArrayBuffer(0)
}

module.exports = { Rooms }
