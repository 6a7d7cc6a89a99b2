// Exits: a process ends cleanly and at once, whatever its actors are about and however it ends.
'use strict'

const { run, runSource, sideBySide } = require('./processes.js')

/** Runs of each state, spread over the ways to end; `make deep` asks for 200. */
const RUNS = Number(process.env.IRIS_EXIT_RUNS ?? 3)
/** What an end may take on a machine with nothing else to do; the shutdown that waits does so for 1000 of them. */
const QUICK_MS = 1500
/** What it may take besides, in ends of a bare process. */
const BARE_MAX = 3
/** Processes at a time. */
const WIDTH = 2

/** What the actors are about when the end comes. */
const STATES = {
  'no actors': ``,
  '100,000 idle actors': `
    const handler = () => {}
    for (let index = 0; index < 100_000; index++) rt.spawn(handler)`,
  'a flooded actor': `
    const pid = rt.spawn(() => {}, 1)
    for (let index = 0; index < 200_000; index++) rt.send(pid, 'a message of the flood')`,
  'actors that flood themselves': `
    for (let index = 0; index < 100; index++) {
      const pid = rt.spawn((message) => void rt.send(pid, message))
      rt.send(pid, 'for ever')
    }`,
  'pull actors that wait': `
    for (let index = 0; index < 1000; index++) rt.spawnWithMailbox((mailbox) => mailbox.recv())
    for (let index = 0; index < 100; index++) rt.spawnWithMailbox((mailbox) => mailbox.recv(3600))
    for (let index = 0; index < 100; index++) rt.send(rt.spawnWithMailbox((mailbox) => mailbox.selectiveRecv(() => false)), 'x')`,
  'running timers': `
    const pid = rt.spawn(() => {})
    for (let index = 0; index < 10_000; index++) rt.sendAfter(pid, 3_600_000, 'late')
    for (let index = 0; index < 100; index++) rt.sendInterval(pid, 1, 'tick')`,
  'asks in flight': `
    const given = (error) => void error
    for (const timeout of [null, 3600, 0.0001]) {
      rt.ask(rt.spawn(() => new Promise(() => {})), 'q', { timeout }).catch(given)
      rt.ask(rt.spawnWithMailbox((mailbox) => mailbox.selectiveRecv(() => false)), 'q', { timeout }).catch(given)
    }`,
  // Without an end: a time-out that the main program waits with keeps the process as any timer does.
  'waits of every kind': `
    const given = (error) => void error
    const full = rt.spawnBounded(() => new Promise(() => {}), 1, 1)
    rt.setOverflowPolicy(full, 'block')
    const observed = rt.spawnObservedHandler()
    for (let index = 0; index < 100; index++) {
      rt.join(full).catch(given)
      rt.sendWhenRoom(full, 'x').catch(given)
      rt.selectiveRecv(observed, () => false).catch(given)
      rt.spawnWithMailbox((mailbox) => mailbox.recvMany(10, index % 2 === 0 ? null : 3600))
    }`,
  'virtual actors that come and go': `
    const parent = rt.spawn(() => { for (let index = 0; index < 50; index++) rt.send(rt.spawnVirtual(() => {}, 1, 1), 'x') })
    rt.sendInterval(parent, 1, 'more')
    for (let index = 0; index < 1000; index++) rt.spawnVirtual(() => {})`,
  'a node with peers': `
    const given = (error) => void error
    const other = new NodeRuntime({ logger: null })
    other.unref()
    other.register('silent', other.spawn(() => new Promise(() => {})))
    other.register('echo', other.spawn((message) => message))
    const address = other.listen('127.0.0.1:0')
    rt.listen('127.0.0.1:0')
    const observed = rt.spawnObservedHandler()
    rt.resolveRemote(address, 'silent').then((pid) => {
      if (pid === null || rt.closed) return
      rt.link(observed, pid)
      rt.ask(pid, 'q', { timeout: null }).catch(given)
      rt.sendInterval(pid, 1, Buffer.alloc(1000))
    }).catch(given)
    const mute = require('node:net').createServer((socket) => socket.unref()).listen(0, '127.0.0.1', () => {
      if (!rt.closed) rt.isNodeUp('127.0.0.1:' + mute.address().port).catch(given)
    }).unref()
    for (let index = 0; index < 10; index++) rt.monitorRemote(address, index + 1).catch(given)`,
  'async handlers that wait': `
    for (let index = 0; index < 1000; index++) rt.sendMany(rt.spawn(() => new Promise(() => {})), ['a', 'b'])`,
  'an endless restart': `
    const supervisor = rt.spawnSupervisor({ intensity: 1e9, period: 1, backoff: [0, 0] })
    for (let index = 0; index < 10; index++) {
      const pid = rt.startChild(supervisor, () => () => { rt.send(pid, 'again'); throw new Error('on purpose') })
      rt.send(pid, 'x')
    }
    const replace = () => rt.spawn(() => {})
    for (let index = 0; index < 10; index++) {
      const replaced = replace()
      rt.superviseWithFactory(replaced, () => new Promise(() => {}))
      rt.stop(replaced)
    }`,
  'mail that nobody reads': `
    const observer = rt.spawnObservedHandler()
    rt.listenDeadLetters(observer)
    const spilling = rt.spawnBounded(() => new Promise(() => {}), 1, 1)
    rt.setOverflowPolicy(spilling, 'spill')
    for (let index = 0; index < 1000; index++) {
      rt.sendMany(spilling, ['x'])
      rt.send(observer, Buffer.alloc(10_000))
      rt.send(4711, 'to nobody')
      if (index < 10) rt.sendBuffer(observer, allocateBuffer(1 << 20).id)
    }
    allocateBuffer(1 << 20).buffer.fill(1)`,
  'a runtime that is closed': `rt.spawn(() => {}); rt.close()`,
  'a runtime that is closed twice': `rt.spawn(() => {}); rt.close(); rt.close().then(() => rt.close())`,
  'a runtime that is closed from a handler': `
    const pid = rt.spawn(() => rt.close())
    const other = rt.spawnWithMailbox(async (mailbox) => { await mailbox.recv(); await rt.close() })
    rt.sendMany(pid, ['a', 'b'])
    rt.send(other, 'c')`,
  'a shutdown that waits': `rt.send(rt.spawn(() => new Promise(() => {})), 'x'); rt.shutdown(1)`,
  'runtimes that nobody holds': `
    for (let index = 0; index < 20; index++) {
      const other = new NodeRuntime()
      other.unref()
      other.sendInterval(other.spawn(() => {}), 1, 'tick')
    }`,
}

/** How the end comes, and what is to be seen of it. `inside`: within a handler that runs. */
const ENDS = {
  'nothing is left to do': { script: `rt.unref()`, code: 0 },
  'process.exit': { script: `process.exit(3)`, code: 3 },
  'SIGINT': { script: `process.kill(process.pid, 'SIGINT')`, signal: 'SIGINT' },
  'SIGTERM': { script: `process.kill(process.pid, 'SIGTERM')`, signal: 'SIGTERM' },
  'SIGTERM that shuts down': {
    script: `
      rt.unref()
      process.once('SIGTERM', () => rt.shutdown(0))
      process.kill(process.pid, 'SIGTERM')
      // A handler of a signal keeps no process: this does, for long enough to be called.
      const stay = setInterval(() => { if (rt.closed) clearInterval(stay) }, 1)`,
    code: 0,
  },
  'SIGTERM that exits': {
    script: `
      process.once('SIGTERM', () => process.exit(5))
      process.kill(process.pid, 'SIGTERM')
      setInterval(() => {}, 1)`,
    code: 5,
  },
  'an exit that nobody hears of': { script: `process.reallyExit(4)`, code: 4 },
  'an exit listener that uses the runtime': {
    script: `
      process.on('exit', () => { rt.send(4711, 'x'); rt.close() })
      process.exit(6)`,
    code: 6,
  },
  'a close': { script: `rt.close()`, code: 0 },
  'a close twice, and a shutdown': { script: `rt.close(); rt.close(); rt.shutdown(0.1)`, code: 0 },
  'an exception of the main program': { script: `throw new Error('of the user')`, code: 1, err: /Error: of the user/ },
  'a rejection of the main program': {
    script: `Promise.reject(new Error('of the user'))`,
    code: 1,
    err: /Error: of the user/,
  },
}

/** What never stands on stderr, whatever the user did. */
const FAULTS = /iris|napi|panick|FATAL|abort|core dump|Check failed|leak/i

/** How long a process takes here that has nothing to do: what a busy machine adds to every end. */
async function bareMs() {
  const began = Date.now()
  await runSource('')
  return Date.now() - began
}

async function endOf(state, end, where) {
  const end_ = `{ require('node:fs').writeSync(1, String(Date.now())); ${end.script} }`
  const outside = `setImmediate(() => setImmediate(() => setImmediate(() => ${end_})))`
  const inside = `{
    const ending = rt.spawn(() => ${end_})
    rt.sendMany(ending, ['x', 'y'])
  }`
  const script = `${state}\n${where === 'inside' ? inside : outside}`
  const { out, err, code, signal, endedAt } = await run(script, { runtime: 'new NodeRuntime({ logger: null })' })
  if (end.err === undefined) expect(err).toBe('')
  else expect(err).toMatch(end.err)
  expect(err).not.toMatch(FAULTS)
  expect({ code, signal }).toEqual({ code: end.code ?? null, signal: end.signal ?? null })
  return endedAt - Number(out)
}

function quick(times, bare) {
  // A machine so busy that a bare process takes long gets as much more for an end.
  expect(Math.max(...times)).toBeLessThan(QUICK_MS + BARE_MAX * bare)
}

/** Of a list one after the other, beginning further on for each test, so that few runs make all pairs in the long run. */
function inTurn(list, first) {
  return Array.from({ length: RUNS }, (_, index) => list[(first + index) % list.length])
}

test.each(Object.keys(STATES).map((name, index) => [name, index]))(
  'every end is clean and quick with %s',
  async (name, index) => {
    const bare = await bareMs()
    const times = []
    const ends = inTurn(Object.values(ENDS), index * RUNS)
    await sideBySide(ends, WIDTH, async (end) => times.push(await endOf(STATES[name], end, 'outside')))
    quick(times, bare)
  },
  600_000,
)

/** An exception within a handler is the actor's end, not the process's: only what ends a process from within. */
const INSIDE = Object.keys(ENDS).filter((name) => !name.endsWith('of the main program'))
/** A runtime that is closed runs no handler. */
const RUNNING = Object.keys(STATES).filter((name) => !/closed|shutdown/.test(name)).map((name) => STATES[name])

test.each(INSIDE.map((name, index) => [name, index]))(
  'an end from within a handler that runs is clean and quick: %s',
  async (name, index) => {
    const bare = await bareMs()
    const times = []
    const states = inTurn(RUNNING, index * RUNS)
    await sideBySide(states, WIDTH, async (state) => times.push(await endOf(state, ENDS[name], 'inside')))
    quick(times, bare)
  },
  600_000,
)
