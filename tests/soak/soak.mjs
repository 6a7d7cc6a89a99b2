// Soak: all features at once, on the main thread and in worker threads, with crashes; at the end nothing is lost, stuck,
// leaked or slow. `soak.mjs --seconds 600` is the long run of `make deep`; the suite runs a short one.

import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'

import { IrisError, NodeRuntime, SystemMessage, allocateBuffer } from '../../index.mjs'

/** Between two rounds of a part, on average. */
const PAUSE_MS = 15
const DRAIN_MS = 60_000
const GROWTH_MIB_MAX = 48
const REPORT_MS = 10_000
const WORKERS = 2
/** What a part waits for that others bring about. */
const WAIT_MS = 10_000
/** Fewer samples than so many a second tell nothing of the delay; a free machine gives about 50. */
const SAMPLES_A_SECOND_MIN = 5

const now = () => performance.now()
const nothing = () => {}
const rssMib = () => process.memoryUsage.rss() / 2 ** 20
const sum = (values) => values.reduce((total, value) => total + value, 0)
const p99 = (values) => Float64Array.from(values).sort()[Math.floor(values.length * 0.99)] ?? 0
const number = (value) => Buffer.from(new Float64Array([value]).buffer)

/** Waits until `look` is true, and fails where it never is. */
async function until(look, what) {
  const deadline = now() + WAIT_MS
  while (!look()) {
    assert.ok(now() < deadline, `waited in vain for ${what}`)
    await pause(1)
  }
}

/** Each message of the other parts that is not delivered is told once, with its reason. */
function deadLetters({ rt, promise }) {
  const told = {}
  const listener = rt.spawnWithMailbox(async (mailbox) => {
    for await (const { typeName, reason } of mailbox) {
      if (typeName === 'DEAD_LETTER') told[reason] = (told[reason] ?? 0) + 1
    }
  })
  rt.listenDeadLetters(listener)
  const counted = () => Object.entries(rt.deadLetters()).filter(([, count]) => count > 0)
  promise('each dead letter is told', () => String(counted().sort()) === String(Object.entries(told).sort()))
  return () => {
    const pid = rt.spawn(nothing)
    rt.send(pid, Buffer.from('never handled'))
    rt.stop(pid)
    assert.ok(!rt.send(pid, Buffer.from('to nobody')))
  }
}

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

/** Actors of which one message in a hundred is poison: they come back in place, of any kind, and lose no other message. */
function crashes({ rt, promise }) {
  const supervisor = rt.spawnSupervisor({ intensity: 1_000_000, period: 1, backoff: [0.001, 0.005] })
  let [handled, crashed, sent] = [0, 0, 0]
  const take = (message) => {
    if (message.length === 6) {
      crashed += 1
      throw new Error('poison')
    }
    handled += 1
  }
  const later = async (message) => take(await message)
  const pull = async (mailbox) => {
    for await (const message of mailbox) take(message)
  }
  const kinds = [[take, 'push'], [later, 'push'], [pull, 'pull']]
  const names = Array.from({ length: 12 }, (_, place) => `crashing-${place}`)
  const pids = names.map((name, place) => {
    const [code, kind] = kinds[place % kinds.length]
    return rt.startChild(supervisor, () => code, { name, kind })
  })
  promise('each message to a crashing actor is handled or crashes it', () => handled + crashed === sent)
  promise('crashes happened, and were healed', () => crashed > 0 && rt.stats().restarted >= crashed)
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
  let born = 0
  const [told, expected] = [{ DOWN: 0, EXIT: 0 }, { DOWN: 0, EXIT: 0 }]
  const watcher = rt.spawnWithMailbox(async (mailbox) => {
    for await (const message of mailbox) told[message.typeName] += 1
  })
  promise('each monitor and each link tells once, and none that was taken back', () => String(Object.values(told)) === String(Object.values(expected)))
  return async () => {
    const [parent, other] = [rt.spawn(nothing), rt.spawn(nothing)]
    const children = [1, 2, 3].map(() => rt.spawnChild(parent, nothing))
    const name = `life-${born++}`
    rt.register(name, parent)
    rt.registerPath(`/soak/${name}`, other)
    rt.link(parent, other)
    rt.monitor(parent, watcher)
    rt.monitor(children[0], watcher)
    expected.DOWN += 2
    assert.ok(rt.demonitor(rt.monitor(children[1], watcher)))
    rt.link(watcher, children[1])
    expected.EXIT += 1
    rt.link(watcher, children[2])
    assert.ok(rt.unlink(children[2], watcher))
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

/** Observed actors: who waits for a message gets it, and the others stay in their order. */
function observed({ rt }) {
  const pid = rt.spawnObservedHandler()
  const isWanted = ({ length }) => length === 6
  return async () => {
    const waiting = rt.selectiveRecv(pid, isWanted, 10)
    assert.equal(await rt.selectiveRecv(pid, isWanted, 0.001), null)
    const pull = rt.spawnWithMailbox((mailbox) => mailbox.selectiveRecv(isWanted, 10).then((message) => rt.send(pid, message)))
    for (const word of ['a', 'b', 'wanted', 'c']) rt.send(pull, Buffer.from(word))
    for (const word of ['1', '2']) rt.send(pid, Buffer.from(word))
    assert.equal(String(await waiting), 'wanted')
    assert.deepEqual(rt.getMessages(pid).map(({ data }) => String(data)), ['1', '2'])
    assert.ok(await rt.join(pull, 10))
  }
}

/** Buffers that are handed over arrive whole; one that was refused is handed over to another. */
function buffers({ rt, promise }) {
  let [got, sent, whole] = [0, 0, true]
  const pid = rt.spawn((message) => {
    got += 1
    whole &&= message.equals(Buffer.alloc(message.length, message.length % 251))
  })
  promise('buffers arrive whole, each once', () => whole && got === sent)
  return () => {
    const size = 1 + Math.floor(Math.random() * 100_000)
    const { id, buffer } = allocateBuffer(size)
    buffer.fill(size % 251)
    const gone = rt.spawn(nothing)
    rt.stop(gone)
    assert.ok(!rt.sendBuffer(gone, id))
    assert.ok(rt.sendBuffer(pid, id))
    sent += 1
    assert.equal(buffer.length, 0)
  }
}

/** Children that a sibling's crash makes begin anew in place, all or those behind it. */
function siblings({ rt }) {
  const expected = { one_for_all: [1, 1, 1], rest_for_one: [0, 1, 1] }
  const families = Object.entries(expected).map(([strategy, restarted]) => {
    const supervisor = rt.spawnSupervisor({ strategy, intensity: 1_000_000, period: 1, backoff: [0, 0] })
    const made = [0, 0, 0]
    const maker = (place) => () => {
      made[place] += 1
      return (message) => {
        if (String(message) === 'poison') throw new Error('poison')
        return message
      }
    }
    return { made, restarted, pids: made.map((_, place) => rt.startChild(supervisor, maker(place))) }
  })
  return async () => {
    for (const { made, restarted, pids } of families) {
      const before = [...made]
      rt.send(pids[1], Buffer.from('poison'))
      const wanted = String(before.map((count, place) => count + restarted[place]))
      await until(() => String(made) === wanted, `${wanted} starts instead of ${made}`)
      const answers = await Promise.all(pids.map((pid) => rt.ask(pid, Buffer.from('alive'), { timeout: 10 })))
      assert.deepEqual(answers.map(String), ['alive', 'alive', 'alive'])
    }
  }
}

/** Factories of a path's supervisor, under each strategy: who ended has a successor, and so have those it concerns. */
function factories({ rt }) {
  let round = 0
  const concerned = { one_for_one: [1], one_for_all: [0, 1, 2], rest_for_one: [1, 2] }
  return async () => {
    const strategy = Object.keys(concerned)[round % 3]
    const path = `/factories/${round++}`
    const spawn = () => rt.spawn((message) => message)
    const pids = [0, 1, 2].map(spawn)
    const first = [...pids]
    assert.ok(rt.createPathSupervisor(path))
    for (const place of pids.keys()) {
      const make = async () => (pids[place] = spawn())
      rt.pathSuperviseWithFactory(path, first[place], make, strategy)
    }
    rt.stop(first[1])
    const children = () => rt.pathSupervisorChildren(path)
    const changed = () => [0, 1, 2].filter((place) => pids[place] !== first[place])
    const healed = () => String(changed()) === String(concerned[strategy]) && pids.every((pid) => children().includes(pid))
    await until(healed, `${strategy} to replace ${concerned[strategy]} and not ${changed()}`)
    assert.ok(rt.removePathSupervisor(path))
    assert.deepEqual(pids.map((pid) => rt.stop(pid)), [true, true, true])
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
function canary({ rt, delays, promise }) {
  let sent = 0
  const pid = rt.spawn((message) => {
    delays.push(now() - message.readDoubleLE())
  })
  promise('the canary had each of its messages', () => delays.length === sent)
  return () => {
    assert.ok(rt.send(pid, number(now())))
    sent += 1
  }
}

const PARTS = [deadLetters, orderedFlow, crashes, lives, timers, bounded, pulls, observed, buffers, siblings, factories, asks, canary]

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
  const dropped = sum(Object.values(stats.dropped))
  if (!isAtRest(stats)) wrong.push(`not at rest: ${JSON.stringify(stats)}`)
  if (stats.sent !== stats.handled + stats.queued + dropped) wrong.push(`the counters do not balance: ${JSON.stringify(stats)}`)
  for (const [text, kept] of promises) if (!kept()) wrong.push(`broken: ${text}`)
  for (const [part, count] of Object.entries(rounds)) if (count === 0) wrong.push(`${part} made no round`)
  if (delays.length < seconds * SAMPLES_A_SECOND_MIN) wrong.push(`the canary has ${delays.length} samples: too few to tell of`)
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
