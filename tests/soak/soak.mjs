// Soak: all features at once, on the main thread and in worker threads, with crashes; at the end nothing is lost, stuck,
// leaked or slow. `soak.mjs --seconds 600` is the long run of `make deep`; the suite runs a short one.

import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

import { IrisError, NodeRuntime, SystemMessage } from '../../index.mjs'

/** Between two rounds of a part, on average. */
const PAUSE_MS = 15
const DRAIN_MS = 60_000
const GROWTH_MIB_MAX = 48
const REPORT_MS = 10_000
const WORKERS = 1

const now = () => performance.now()
const nothing = () => {}
const rssMib = () => process.memoryUsage.rss() / 2 ** 20
const p99 = (values) => Float64Array.from(values).sort()[Math.floor(values.length * 0.99)] ?? 0
const number = (value) => Buffer.from(new Float64Array([value]).buffer)

/** Numbered messages to actors that are swapped all the time: none lost, none doubled, in order. */
function orderedFlow({ rt, promise }) {
  const [sent, got] = [new Array(20).fill(0), new Array(20).fill(0)]
  let strays = 0
  const handlerOf = (place) => (message) => {
    if (message.readDoubleLE() !== got[place]) strays += 1
    got[place] = message.readDoubleLE() + 1
  }
  const pids = sent.map((_, place) => rt.spawn(handlerOf(place)))
  promise('numbered messages arrive once and in order', () => strays === 0 && String(got) === String(sent))
  return () => {
    for (const [place, pid] of pids.entries()) {
      for (let count = 0; count < 20; count += 1) assert.ok(rt.send(pid, number(sent[place]++)))
      if (Math.random() < 0.3) rt.hotSwap(pid, handlerOf(place))
      try {
        if (Math.random() < 0.1) rt.rollbackBehavior(pid)
      } catch (error) {
        assert.ok(error instanceof IrisError)
      }
    }
  }
}

/** Supervised actors of which one message in a hundred is poison: they come back in place and lose no other message. */
function crashes({ rt, promise }) {
  const supervisor = rt.spawnSupervisor({ intensity: 1_000_000, period: 1, backoff: [0.001, 0.005] })
  let [handled, crashed, sent] = [0, 0, 0]
  const handler = (message) => {
    if (message.length === 6) {
      crashed += 1
      throw new Error('poison')
    }
    handled += 1
  }
  const names = Array.from({ length: 10 }, (_, place) => `crashing-${place}`)
  const pids = names.map((name) => rt.startChild(supervisor, () => handler, { name }))
  promise('each message to a crashing actor is handled or crashes it', () => handled + crashed === sent)
  promise('crashing actors are alive and have their names', () => String(names.map((name) => rt.whereis(name))) === String(pids))
  return () => {
    for (const pid of pids) {
      for (let count = 0; count < 10; count += 1) {
        assert.ok(rt.send(pid, Buffer.from(Math.random() < 0.01 ? 'poison' : 'bread')))
        sent += 1
      }
    }
  }
}

/** Actors that are born, linked, watched, named and stopped, with children. */
function lives({ rt, promise }) {
  let [born, told, expected] = [0, 0, 0]
  const watcher = rt.spawnWithMailbox(async (mailbox) => {
    for await (const message of mailbox) {
      if (message instanceof SystemMessage && message.typeName === 'DOWN') told += 1
    }
  })
  promise('each monitor tells once', () => told === expected)
  return async () => {
    const [parent, other] = [rt.spawn(nothing), rt.spawn(nothing)]
    const children = [1, 2, 3].map(() => rt.spawnChild(parent, nothing))
    const name = `life-${born++}`
    rt.register(name, parent)
    rt.registerPath(`/soak/${name}`, other)
    rt.link(parent, other)
    rt.monitor(parent, watcher)
    rt.monitor(children[0], watcher)
    expected += 2
    rt.send(rt.spawnVirtual(nothing, 100, 1), Buffer.from('hello'))
    assert.ok(rt.stop(parent))
    await rt.join(parent, 10)
    assert.ok(!children.some((child) => rt.isAlive(child)), 'children end before their parent')
    assert.equal(rt.whereis(name), null)
    rt.stop(other)
  }
}

/** Timers set and taken back. */
function timers({ rt, promise }) {
  let [fired, expected] = [0, 0]
  const pid = rt.spawn(() => {
    fired += 1
  })
  const beaten = rt.spawn(nothing)
  promise('each timer that was not taken back fired once', () => fired === expected)
  return async () => {
    for (let count = 0; count < 20; count += 1) {
      const timer = rt.sendAfter(pid, Math.floor(Math.random() * 100), Buffer.from('one'))
      if (Math.random() >= 0.5 || !rt.cancelTimer(timer)) expected += 1
    }
    const interval = rt.sendInterval(beaten, 1, Buffer.from('beat'))
    await pause(3)
    assert.ok(rt.cancelTimer(interval))
  }
}

/** Mailboxes with bounds under each policy. */
function bounded({ rt }) {
  const target = rt.spawn(nothing)
  const pids = ['dropnew', 'dropold', 'redirect', 'spill'].map((policy) => {
    const pid = rt.spawnBounded(nothing, 100, 16)
    rt.setOverflowPolicy(pid, policy, policy === 'redirect' ? target : undefined)
    return pid
  })
  const waiting = rt.spawnBounded(nothing, 100, 16)
  rt.setOverflowPolicy(waiting, 'block')
  const messages = new Array(40).fill(Buffer.from('0123456789abcdef'))
  return async () => {
    for (const pid of pids) rt.sendMany(pid, messages)
    await Promise.all(messages.map((message) => rt.sendWhenRoom(waiting, message)))
  }
}

/** Pull actors that echo, and end when they are told. */
function pulls({ rt }) {
  const echo = async (mailbox) => {
    for await (const message of mailbox) {
      if (message instanceof SystemMessage) continue
      if (String(message) === 'end') return
      mailbox.reply(message, message)
    }
  }
  return async () => {
    const pid = rt.spawnWithMailbox(echo)
    assert.equal(String(await rt.ask(pid, Buffer.from('question'), { timeout: 10 })), 'question')
    rt.send(pid, Buffer.from('end'))
    await rt.join(pid, 10)
  }
}

/** Asks, some to an actor too slow for them. */
function asks({ rt }) {
  const quick = rt.spawn((message) => message)
  const slow = async (message) => {
    await pause(5)
    return message
  }
  return async () => {
    const questions = Array.from({ length: 100 }, (_, place) => String(place))
    const answers = await Promise.all(questions.map((question) => rt.ask(quick, Buffer.from(question), { timeout: 10 })))
    assert.deepEqual(answers.map(String), questions)
    const slowPid = rt.spawn(slow)
    const late = await Promise.allSettled([1, 2, 3].map(() => rt.ask(slowPid, Buffer.from('x'), { timeout: 0.002 })))
    for (const { status, reason } of late) assert.ok(status === 'fulfilled' || reason.code === 'AskTimeout', reason)
    rt.stop(slowPid)
  }
}

/** A message each round whose delay is noted. */
function canary({ rt, delays }) {
  const pid = rt.spawn((message) => {
    delays.push(now() - message.readDoubleLE())
  })
  return () => {
    rt.send(pid, number(now()))
  }
}

const PARTS = [orderedFlow, crashes, lives, timers, bounded, pulls, asks, canary]

const isAtRest = ({ timers, queued }) => timers === 0 && queued === 0

/** One soak on this thread; what went wrong. */
async function soak({ seconds, canaryMsMax }, report) {
  const rt = new NodeRuntime({ logger: null })
  const [wrong, promises, delays, rounds] = [[], [], [], {}]
  const soak = { rt, delays, promise: (text, kept) => promises.push([text, kept]) }
  const end = now() + seconds * 1_000
  let over = false
  const repeat = async (part) => {
    const round = part(soak)
    rounds[part.name] = 0
    try {
      while (!over && now() < end) {
        await round()
        rounds[part.name] += 1
        await pause(2 * PAUSE_MS * Math.random())
      }
    } catch (error) {
      over = true
      wrong.push(`${part.name}: ${error.stack}`)
    }
  }
  let warm = 0
  const tell = () => {
    const { handled, actors } = rt.stats()
    if (now() > end - (seconds * 2_000) / 3) warm ||= rssMib()
    report(`${handled} handled  ${actors} actors  ${rssMib().toFixed(1)} MiB  canary p99 ${p99(delays).toFixed(2)} ms`)
  }
  const reporter = setInterval(tell, Math.min(REPORT_MS, (seconds * 1_000) / 3))
  await Promise.all(PARTS.map(repeat))
  clearInterval(reporter)
  const drained = now() + DRAIN_MS
  while (!isAtRest(rt.stats()) && now() < drained) await pause(PAUSE_MS)
  const stats = rt.stats()
  const dropped = Object.values(stats.dropped).reduce((sum, count) => sum + count, 0)
  if (!isAtRest(stats)) wrong.push(`not at rest: ${JSON.stringify(stats)}`)
  if (stats.sent !== stats.handled + stats.queued + dropped) wrong.push(`the counters do not balance: ${JSON.stringify(stats)}`)
  for (const [text, kept] of promises) if (!kept()) wrong.push(`broken: ${text}`)
  if (p99(delays) > canaryMsMax) wrong.push(`the canary's p99 is ${p99(delays).toFixed(1)} ms, more than ${canaryMsMax}`)
  if (warm > 0 && rssMib() - warm > GROWTH_MIB_MAX) wrong.push(`the memory grew by ${(rssMib() - warm).toFixed(1)} MiB`)
  const { unfinished } = await rt.shutdown(10)
  if (unfinished.length > 0) wrong.push(`the shutdown left ${unfinished}`)
  report(`rounds ${JSON.stringify(rounds)}; ${JSON.stringify(stats)}`)
  return wrong
}

/** A soak in a worker thread. */
function soakInWorker(choices, place) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: choices })
    worker.on('message', ({ line, wrong }) => {
      if (line !== undefined) console.log(`worker ${place}: ${line}`)
      if (wrong !== undefined) resolve(wrong)
    })
    worker.on('error', reject)
  })
}

if (isMainThread) {
  const options = { seconds: { type: 'string', default: '10' }, 'canary-ms-max': { type: 'string', default: '20' } }
  const { values } = parseArgs({ options })
  const choices = { seconds: Number(values.seconds), canaryMsMax: Number(values['canary-ms-max']) }
  const others = Array.from({ length: WORKERS }, (_, place) => soakInWorker(choices, place + 1))
  const all = await Promise.all([soak(choices, (line) => console.log(`main:     ${line}`)), ...others])
  const wrong = all.flat()
  for (const text of wrong) console.log(`WRONG: ${text}`)
  process.exitCode = wrong.length > 0 ? 1 : 0
} else {
  parentPort.postMessage({ wrong: await soak(workerData, (line) => parentPort.postMessage({ line })) })
}
