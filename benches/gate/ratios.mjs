// Node's rate beside a bare loop's in one process: many short turns of each, so that some of both are undisturbed.
//
// Prints the best rate of an actor divided by that of a loop that makes a view of each message and calls the same handler.
import { NodeRuntime } from '../../index.mjs'

// A turn takes a millisecond or two, so that many are over before another process has its turn on this core.
const [TURNS, MESSAGES] = [400, 10_000]
const BODY = Buffer.from('0123456789abcdef')
const now = () => performance.now()

/** A Buffer as fast as JavaScript makes one. */
class View extends Uint8Array {}
Object.setPrototypeOf(View.prototype, Buffer.prototype)
const memory = new ArrayBuffer(1 << 16)

function counting() {
  const turn = { left: MESSAGES }
  turn.over = new Promise((resolve) => {
    turn.handler = () => {
      turn.left -= 1
      if (turn.left === 0) resolve()
    }
  })
  return turn
}

function bare() {
  const { handler } = counting()
  const start = now()
  for (let number = 0; number < MESSAGES; number += 1) handler(new View(memory, (number * 16) & 0xffff, 16))
  return now() - start
}

async function actor(rt) {
  const { handler, over } = counting()
  const pid = rt.spawn(handler)
  const start = now()
  for (let number = 0; number < MESSAGES; number += 1) rt.send(pid, BODY)
  await over
  const taken = now() - start
  rt.stop(pid)
  return taken
}

const rt = new NodeRuntime()
const taken = { bare: [], actor: [] }
for (let turn = 0; turn < TURNS; turn += 1) {
  taken.bare.push(bare())
  taken.actor.push(await actor(rt))
}
await rt.close()
console.log(JSON.stringify({ 'node one actor': Math.min(...taken.bare) / Math.min(...taken.actor) }))
