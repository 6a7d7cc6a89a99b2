// What bench.mjs measures: one function per sample, called in a fresh process, which prints its numbers as a JSON list.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const DOOR = new URL('../index.mjs', import.meta.url)
const BODY = Buffer.from('0123456789abcdef')
const DONE_WITHIN_MS = 60_000
/** Timers before those that are measured. */
const WARM_UP = 50_000
const now = () => performance.now()

/** A count-down of messages, and the promise of its end: one that is lost is an error, not a hang. */
function handledAll(count) {
  let left = count
  let resolve
  const all = new Promise((kept) => (resolve = kept))
  const handler = () => {
    left -= 1
    if (left === 0) resolve()
  }
  const wait = async () => {
    const deadline = setTimeout(() => {
      console.error(`${left} of ${count} messages were not handled within ${DONE_WITHIN_MS} ms`)
      process.exit(1)
    }, DONE_WITHIN_MS)
    await all
    clearTimeout(deadline)
  }
  return { handler, wait }
}

/** Runs `use` with a runtime that is closed afterwards. */
async function withRuntime(use) {
  const { NodeRuntime } = await import(DOOR)
  const rt = new NodeRuntime()
  try {
    return await use(rt)
  } finally {
    await rt.close()
  }
}

/** Millions per second. */
const rate = (count, start) => count / (now() - start) / 1e3

// Messages

/** A Buffer made as the runtime makes one: a view, without a look at the arguments. */
class View extends Uint8Array {}
Object.setPrototypeOf(View.prototype, Buffer.prototype)

/** Millions of calls per second of a loop that makes a view of each message's bytes and calls the same handler. */
function bareLoop(count) {
  const { handler } = handledAll(count)
  const chunk = new ArrayBuffer(1 << 16)
  const start = now()
  for (let number = 0; number < count; number += 1) handler(new View(chunk, (number * 16) & 0xffff, 16))
  return rate(count, start)
}

const oneActorRate = (count) =>
  withRuntime(async (rt) => {
    const { handler, wait } = handledAll(count)
    const pid = rt.spawn(handler)
    const start = now()
    for (let number = 0; number < count; number += 1) rt.send(pid, BODY)
    await wait()
    return rate(count, start)
  })

async function oneActor(count) {
  bareLoop(count)
  const bare = bareLoop(count)
  await oneActorRate(count)
  const actor = await oneActorRate(count)
  return [actor, bare, actor / bare]
}

const oneActorRef = (count) =>
  withRuntime(async (rt) => {
    const { handler, wait } = handledAll(count)
    const actor = rt.actorRef(rt.spawn(handler))
    const start = now()
    for (let number = 0; number < count; number += 1) actor.send(BODY)
    await wait()
    return [rate(count, start)]
  })

const oneActorSendMany = (count) =>
  withRuntime(async (rt) => {
    const { handler, wait } = handledAll(count)
    const pid = rt.spawn(handler)
    const batch = Array(1_000).fill(BODY)
    const start = now()
    for (let left = count; left > 0; left -= batch.length) {
      assert.equal(rt.sendMany(pid, batch), batch.length)
    }
    await wait()
    return [rate(count, start)]
  })

const manyActors = (count) =>
  withRuntime(async (rt) => {
    const rounds = 10
    const { handler, wait } = handledAll(count * rounds)
    const pids = Array.from({ length: count }, () => rt.spawn(handler))
    const start = now()
    for (let round = 0; round < rounds; round += 1) for (const pid of pids) rt.send(pid, BODY)
    await wait()
    return [rate(count * rounds, start)]
  })

function residentBytes() {
  return Number(readFileSync('/proc/self/statm', 'ascii').split(' ')[1]) * 4096
}

const spawn = (count) =>
  withRuntime(async (rt) => {
    const handler = () => {}
    rt.spawn(handler)
    globalThis.gc()
    const before = residentBytes()
    const pids = []
    const start = now()
    for (let number = 0; number < count; number += 1) pids.push(rt.spawn(handler))
    const spawned = rate(count, start)
    globalThis.gc()
    const each = (residentBytes() - before) / count
    assert.equal(pids.length, count)
    return [spawned, each]
  })

// Asks and pull actors

const askSequential = (count) =>
  withRuntime(async (rt) => {
    const pid = rt.spawn((message) => message)
    for (let number = 0; number < count / 10; number += 1) await rt.ask(pid, BODY)
    const start = now()
    for (let number = 0; number < count; number += 1) await rt.ask(pid, BODY)
    return [rate(count, start) * 1e3]
  })

const askInFlight = (count) =>
  withRuntime(async (rt) => {
    const pid = rt.spawn((message) => message)
    const start = now()
    for (let left = count; left > 0; left -= 1_000) {
      const answers = await Promise.all(Array.from({ length: 1_000 }, () => rt.ask(pid, BODY)))
      assert.equal(answers[999].length, BODY.length)
    }
    return [rate(count, start) * 1e3]
  })

const pullRecv = (count) =>
  withRuntime(async (rt) => {
    const { handler, wait } = handledAll(count)
    const pid = rt.spawnWithMailbox(async (mailbox) => {
      for (let left = count; left > 0; left -= 1) handler(await mailbox.recv())
    })
    const start = now()
    for (let number = 0; number < count; number += 1) rt.send(pid, BODY)
    await wait()
    return [rate(count, start)]
  })

const pullPingPong = (count) =>
  withRuntime(async (rt) => {
    const { handler, wait } = handledAll(count)
    let server = 0
    const player = rt.spawnWithMailbox(async (mailbox) => {
      for (let message = await mailbox.recv(); message !== null; message = await mailbox.recv()) {
        rt.send(server, message)
      }
    })
    const start = now()
    server = rt.spawnWithMailbox(async (mailbox) => {
      for (let left = count; left > 0; left -= 1) {
        rt.send(player, BODY)
        handler(await mailbox.recv())
      }
    })
    await wait()
    return [rate(count, start) * 1e3]
  })

// Time

/** The 99th percentile. */
function p99(milliseconds) {
  milliseconds.sort()
  return milliseconds[Math.ceil(milliseconds.length * 0.99) - 1]
}

function work(rounds) {
  let sum = 0
  for (let round = 0; round < rounds; round += 1) sum = (sum * 31 + round) | 0
  return sum
}

/** How many rounds of `work` take so long here. */
function roundsOf(milliseconds) {
  work(10_000_000)
  const start = now()
  work(10_000_000)
  return Math.max(1, Math.round((10_000_000 * milliseconds) / (now() - start)))
}

const fairness = (count) =>
  withRuntime(async (rt) => {
    const rounds = roundsOf(0.002)
    const delays = []
    const delaysPlanned = []
    let handled = 0
    const flood = rt.spawn(() => {
      if (work(rounds) === 0.5) throw new Error('never')
      handled += 1
    })
    const quiet = (message) => {
      const at = now()
      delays.push(at - message.readDoubleLE(0))
      delaysPlanned.push(at - message.readDoubleLE(8))
    }
    const pids = Array.from({ length: 1_000 }, () => rt.spawn(quiet))
    const batch = Array(count).fill(BODY)
    rt.sendMany(flood, batch)
    const start = now()
    let beats = 0
    const body = Buffer.alloc(16)
    while (beats === 0 || (handled < count && now() - start < 3_000)) {
      body.writeDoubleLE(start + beats * 10, 8)
      for (const pid of pids) {
        body.writeDoubleLE(now(), 0)
        rt.send(pid, body)
      }
      beats += 1
      await sleep(Math.max(0, start + beats * 10 - now()))
    }
    rt.stop(flood)
    const sent = beats * pids.length
    while (delays.length < sent && now() - start < DONE_WITHIN_MS) await sleep(1)
    assert.equal(delays.length, sent, 'every message of the others is handled')
    return [p99(Float64Array.from(delays)), p99(Float64Array.from(delaysPlanned))]
  })

const timers = (count) =>
  withRuntime(async (rt) => {
    const [actors, stride, settingMs] = [1_000, 7_919, 3_000]
    const warmUp = Math.min(count, WARM_UP)
    let all = handledAll(warmUp)
    const late = new Float64Array(count)
    let fired = 0
    const note = (message) => {
      late[fired] = now() - message.readDoubleLE(0)
      fired += 1
      all.handler()
    }
    const pids = Array.from({ length: actors }, () => rt.spawn(note))
    const body = Buffer.alloc(8)
    // The functions on the way are compiled first, as those of one actor's figure are.
    for (let number = 0; number < warmUp; number += 1) rt.sendAfter(pids[number % actors], number % 100, body)
    await all.wait()
    all = handledAll(count)
    fired = 0
    const start = now()
    for (let place = 0; place < count; place += 1) {
      const number = (place * stride) % count
      const setAt = now()
      const delayMs = Math.max(0, Math.ceil(start + settingMs + (number * 1_000) / count - setAt))
      body.writeDoubleLE(setAt + delayMs, 0)
      rt.sendAfter(pids[number % actors], delayMs, body)
    }
    const setMs = now() - start
    assert.ok(setMs < settingMs, `the timers took ${setMs} ms to set`)
    await all.wait()
    assert.equal(fired, count)
    const slowest = p99(late)
    assert.ok(late[0] >= 0, 'no timer goes off early')
    return [(setMs / count) * 1e6, slowest]
  })

const timerCancel = (count) =>
  withRuntime(async (rt) => {
    const pid = rt.spawn(() => {})
    const ids = Array.from({ length: count }, (_, number) => rt.sendAfter(pid, 60_000 + (number % 1_000), BODY))
    const shuffled = ids.map((_, number) => ids[(number * 7_919) % count])
    const start = now()
    let cancelled = 0
    for (const id of shuffled) if (rt.cancelTimer(id)) cancelled += 1
    const each = ((now() - start) / count) * 1e6
    assert.equal(cancelled, count, 'a pending timer is cancelled')
    return [each]
  })

function importIris() {
  const door = fileURLToPath(new URL('../index.js', import.meta.url))
  const code = `
    const start = performance.now(); const { NodeRuntime } = require(${JSON.stringify(door)})
    const imported = performance.now(); const rt = new NodeRuntime()
    console.log(JSON.stringify([imported - start, performance.now() - imported])); rt.close()`
  const done = spawnSync(process.execPath, ['--eval', code], { encoding: 'utf8' })
  assert.equal(done.status, 0, done.stderr)
  return JSON.parse(done.stdout)
}

const SAMPLES = {
  oneActor,
  oneActorRef,
  oneActorSendMany,
  manyActors,
  spawn,
  askSequential,
  askInFlight,
  pullRecv,
  pullPingPong,
  fairness,
  timers,
  timerCancel,
  importIris,
}

console.log(JSON.stringify(await SAMPLES[process.argv[2]](Number(process.argv[3]))))
