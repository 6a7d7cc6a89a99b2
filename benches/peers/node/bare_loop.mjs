// Bare: a JavaScript loop that makes a Buffer view of each message's bytes and calls the same handlers; the limit that
// JavaScript itself sets.
import { BODY, CRASH, asked, assert, latch, main, now, rate, residentBytes } from './measure.mjs'

const echo = (message) => message

/** A Buffer as fast as JavaScript makes one: a view, without a look at the arguments. */
class View extends Uint8Array {}
Object.setPrototypeOf(View.prototype, Buffer.prototype)

const memory = new ArrayBuffer(1 << 16)
let place = 0
const view = () => {
  place = (place + 16) & 0xffff
  return new View(memory, place, 16)
}

async function spawnIdle(count) {
  const before = residentBytes()
  const actors = []
  const start = now()
  for (let number = 0; number < count; number += 1) actors.push({ handler: echo, mailbox: [] })
  return { ...rate(count, start), bytes: (residentBytes() - before) / actors.length }
}

const many = (rounds) => async (count) => {
  const { one, wait } = latch(count * rounds)
  const handlers = Array.from({ length: count }, () => one)
  const start = now()
  for (let round = 0; round < rounds; round += 1) for (const handler of handlers) handler(view())
  await wait()
  return rate(count * rounds, start)
}

async function callAll(count) {
  const { one, wait } = latch(count)
  const start = now()
  for (let number = 0; number < count; number += 1) one(view())
  await wait()
  return rate(count, start)
}

async function pingPong(count) {
  const start = now()
  for (let number = 0; number < count; number += 1) echo(echo(view()))
  return rate(count, start)
}

async function ring(hops) {
  const handlers = Array.from({ length: 1_000 }, () => echo)
  const start = now()
  for (let lap = 0; lap < hops / handlers.length; lap += 1) for (const handler of handlers) handler(view())
  return rate(hops, start)
}

function node(number, leaves) {
  if (leaves === 1) return number
  let sum = 0
  for (let branch = 0; branch < 10; branch += 1) sum += node(number + (branch * leaves) / 10, leaves / 10)
  return sum
}

async function skynet(leaves) {
  const start = now()
  assert.equal(node(0, leaves), (leaves * (leaves - 1)) / 2)
  return rate(leaves, start)
}

async function askSequential(count) {
  const answer = async (message) => echo(message)
  const each = new Float64Array(count)
  const start = now()
  for (let number = 0; number < count; number += 1) {
    const before = now()
    await answer(view())
    each[number] = now() - before
  }
  return asked(each, start)
}

async function askInFlight(count) {
  const answer = async (message) => echo(message)
  const start = now()
  for (let left = count; left > 0; left -= 1_000) {
    await Promise.all(Array.from({ length: 1_000 }, () => answer(view())))
  }
  return rate(count, start)
}

async function hotSwaps(swaps) {
  let newest = 0
  const start = now()
  for (let version = 1; version <= swaps; version += 1) {
    const handler = () => {
      newest = version
    }
    for (let number = 0; number < 10; number += 1) handler(view())
  }
  assert.equal(newest, swaps)
  return rate(swaps, start)
}

async function restarts(rounds) {
  const makeHandler = () => (message) => {
    if (message.equals(CRASH)) throw new Error('on purpose')
    return message
  }
  let handler = makeHandler()
  const messages = [...Array(5).fill(BODY), CRASH, ...Array(6).fill(BODY)]
  const start = now()
  for (let round = 0; round < rounds; round += 1) {
    for (const message of messages) {
      try {
        handler(message)
      } catch {
        handler = makeHandler()
      }
    }
  }
  return { ...rate(rounds, start), kept: 1 }
}

await main({
  W1a: spawnIdle,
  W1b: spawnIdle,
  W2: many(1),
  W2x10: many(10),
  W3: callAll,
  W4: callAll,
  W5: pingPong,
  W6: ring,
  W7: skynet,
  W8a: askSequential,
  W8b: askInFlight,
  W11: hotSwaps,
  W13: restarts,
})
