// Iris: push actors on the JavaScript thread, as `require('iris-actors')` gives them.
import { BODY, CRASH, assert, latch, main, now, rate } from './measure.mjs'
import { workloads } from './workloads.mjs'
import { NodeRuntime } from '../../../index.mjs'

const rt = new NodeRuntime()

const system = {
  spawn: (handler) => rt.spawn(handler),
  send: (to, message) => rt.send(to, message),
  ask: (to, message) => rt.ask(to, message),
  stopSelf: (me) => rt.stop(me),
  sendAfter: (to, delay, message) => rt.sendAfter(to, delay, message),
}

async function hotSwaps(swaps) {
  const { one, wait } = latch(swaps * 10)
  let newest = 0
  const actor = rt.spawn(() => {})
  const start = now()
  for (let version = 1; version <= swaps; version += 1) {
    rt.hotSwap(actor, () => {
      newest = version
      one()
    })
    for (let number = 0; number < 10; number += 1) rt.send(actor, BODY)
  }
  await wait()
  assert.equal(newest, swaps)
  return rate(swaps, start)
}

async function restarts(rounds) {
  let handled = 0
  const makeHandler = () => (message) => {
    if (message.equals(CRASH)) throw new Error('on purpose')
    handled += 1
    return message
  }
  // What each crash says on stderr is not measured here.
  process.stderr.write = () => true
  const supervisor = rt.spawnSupervisor({ intensity: 2 ** 31, backoff: [0, 0] })
  const actor = rt.startChild(supervisor, makeHandler)
  const start = now()
  for (let round = 0; round < rounds; round += 1) {
    for (let number = 0; number < 5; number += 1) rt.send(actor, BODY)
    rt.send(actor, CRASH)
    for (let number = 0; number < 5; number += 1) rt.send(actor, BODY)
    await rt.ask(actor, BODY)
  }
  return { ...rate(rounds, start), kept: (handled - rounds) / (rounds * 10) }
}

await main({ ...workloads(system), W11: hotSwaps, W13: restarts })
