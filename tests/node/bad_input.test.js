// Bad input: texts, times and counts outside their range are refused by an error that says so, or are what the documents say.
'use strict'

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const { NodeRuntime, allocateBuffer, devCerts } = require('../..')
const { collector, eventually, open, turn } = require('./helpers.js')
const { closeWorlds, errorOf, look, world } = require('./world.js')

afterEach(closeWorlds)

// Text

/** Half of a surrogate pair: JavaScript's strings may hold it, UTF-8 cannot. */
const NO_UNICODE = { 'the first half of a pair': '/\ud800', 'the second half of a pair': '/\udfffb', 'halves in disorder': '/\udc00\ud800' }

const TAKES_TEXT = {
  register: ({ rt, pids }, text) => rt.register(text, pids.push),
  'register of a global name': ({ rt, pids }, text) => rt.register(text, pids.push, { global: true }),
  unregister: ({ rt }, text) => rt.unregister(text),
  whereis: ({ rt }, text) => rt.whereis(text),
  resolve: ({ rt }, text) => rt.resolve(text),
  'the name of sendNamed': ({ rt }, text) => rt.sendNamed(text, 'x'),
  registerPath: ({ rt, pids }, text) => rt.registerPath(text, pids.push),
  unregisterPath: ({ rt }, text) => rt.unregisterPath(text),
  whereisPath: ({ rt }, text) => rt.whereisPath(text),
  listChildren: ({ rt }, text) => rt.listChildren(text),
  listChildrenDirect: ({ rt }, text) => rt.listChildrenDirect(text),
  watchPath: ({ rt }, text) => rt.watchPath(text),
  spawnWithPathObserved: ({ rt }, text) => rt.spawnWithPathObserved(1, text),
  createPathSupervisor: ({ rt }, text) => rt.createPathSupervisor(text),
  removePathSupervisor: ({ rt }, text) => rt.removePathSupervisor(text),
  pathSupervisorWatch: ({ rt, pids }, text) => rt.pathSupervisorWatch(text, pids.push),
  pathSupervisorChildren: ({ rt }, text) => rt.pathSupervisorChildren(text),
  pathSuperviseWithFactory: ({ rt, pids }, text) => rt.pathSuperviseWithFactory(text, pids.push, () => pids.push),
  'the strategy of watch': ({ rt, pids }, text) => rt.watch(pids.push, text),
  'the strategy of superviseWithFactory': ({ rt, pids }, text) => rt.superviseWithFactory(pids.push, () => pids.push, text),
  'the strategy of spawnSupervisor': ({ rt }, text) => rt.spawnSupervisor({ strategy: text }),
  'the name of a child': ({ rt, pids }, text) => rt.startChild(pids.supervisor, () => () => {}, { name: text }),
  'the path of a child': ({ rt, pids }, text) => rt.startChild(pids.supervisor, () => () => {}, { path: text }),
  'the restart of a child': ({ rt, pids }, text) => rt.startChild(pids.supervisor, () => () => {}, { restart: text }),
  'the kind of a child': ({ rt, pids }, text) => rt.startChild(pids.supervisor, () => () => {}, { kind: text }),
  setOverflowPolicy: ({ rt, pids }, text) => rt.setOverflowPolicy(pids.full, text),
  send: ({ rt, pids }, text) => rt.send(pids.push, text),
  'send of long text': ({ rt, pids }, text) => rt.send(pids.push, `${'x'.repeat(100_000)}${text}`),
  'send to an observed actor': ({ rt, pids }, text) => rt.send(pids.observed, text),
  sendMany: ({ rt, pids }, text) => rt.sendMany(pids.push, [text]),
  sendWhenRoom: ({ rt, pids }, text) => rt.sendWhenRoom(pids.push, text),
  'sendWhenRoom without room': ({ rt, pids }, text) => rt.sendWhenRoom(pids.full, text, { timeout: 0.01 }),
  ask: ({ rt, pids }, text) => rt.ask(pids.push, text),
  sendAfter: ({ rt, pids }, text) => rt.sendAfter(pids.push, 1, text),
  sendInterval: ({ rt, pids }, text) => rt.sendInterval(pids.push, 1, text),
  'send of a ref': ({ rt, pids }, text) => rt.actorRef(pids.push).send(text),
  'ask of a ref': ({ rt, pids }, text) => rt.actorRef(pids.push).ask(text),
  listen: ({ rt }, text) => rt.listen(text),
  joinMesh: ({ rt }, text) => rt.joinMesh([text]),
  'the name of a node': ({ rt }, text) => rt.startMesh({ name: text }),
  'the certificates of a node': ({ rt }, text) => rt.startMesh({ certificates: text }),
  'the hosts of a node': ({ rt }, text) => rt.startMesh({ v1Hosts: [text] }),
  'the peers of a node': ({ rt }, text) => rt.startMesh({ allow: { [text]: ['x'] } }),
  'the peers that may reach nothing': ({ rt }, text) => rt.startMesh({ allow: { [text]: [] } }),
  'the names that peers may reach': ({ rt }, text) => rt.startMesh({ allow: { peer: [text] } }),
  'the address of resolveRemote': ({ rt }, text) => rt.resolveRemote(text, 'x'),
  'the name of resolveRemote': ({ rt }, text) => rt.resolveRemote('127.0.0.1:1', text),
  'the address of sendRemote': ({ rt }, text) => rt.sendRemote(text, 1, 'x'),
  'the data of sendRemote': ({ rt }, text) => rt.sendRemote('127.0.0.1:1', 1, text),
  'the address of monitorRemote': ({ rt }, text) => rt.monitorRemote(text, 1),
  isNodeUp: ({ rt }, text) => rt.isNodeUp(text),
}

test.each(Object.keys(TAKES_TEXT))('text that is not Unicode is refused by %s', async (name) => {
  const here = await world()
  const before = look(here.rt)
  for (const text of Object.values(NO_UNICODE)) {
    expect(await errorOf(() => TAKES_TEXT[name](here, text))).toMatchObject({ name: 'IrisError', code: 'InvalidArgument' })
  }
  expect(look(here.rt)).toEqual(before)
  expect(here.rt.meshInfo()).toBe(null)
})

test('text that is not Unicode is refused by reply, and the question can still be answered', async () => {
  const { rt, mailbox, pids } = await world()
  const asked = rt.ask(pids.pull, 'q')
  const question = await mailbox.recv()
  expect(await errorOf(() => mailbox.reply(question, '\ud800'))).toMatchObject({ code: 'InvalidArgument' })
  expect(mailbox.reply(question, 'answer')).toBe(true)
  expect(String(await asked)).toBe('answer')
})

test('text that is not Unicode is refused by devCerts, and nothing is written', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'iris-texts-'))
  for (const [where, names] of [[directory, ['\ud800']], [path.join(directory, '\ud800'), ['node']]]) {
    expect(await errorOf(() => devCerts(where, names))).toMatchObject({ code: 'InvalidArgument' })
  }
  expect(fs.readdirSync(directory)).toEqual([])
  fs.rmSync(directory, { recursive: true })
})

test('text that is Unicode arrives whole, the replacement character and pairs among it', async () => {
  const rt = open()
  const { pid, got } = collector(rt)
  const texts = ['\ufffd', '\ud83d\ude00', 'a\ufffd\u{10ffff}\u0000', '\ufeffx']
  expect(rt.sendMany(pid, texts)).toBe(texts.length)
  rt.register('\ufffd\ud83d\ude00', pid)
  expect(rt.whereis('\ufffd\ud83d\ude00')).toBe(pid)
  await eventually(() => got.length === texts.length, 'the texts')
  expect(got).toEqual(texts)
})

/** Texts that are no names, and no paths. A name may look like a path, and has no segments. */
const NO_NAMES = {
  'of nothing': '',
  'of NUL': '\0',
  'with NUL': 'a\0b',
  'without end': 'x'.repeat(100_000),
  'a byte too long': 'x'.repeat(1025),
}
const NO_PATHS = {
  'of nothing': '',
  'with NUL': '/a\0b',
  'without root': 'a/b',
  'that climbs': '/a/../b',
  'that climbs out of the root': '/..',
  'that stays': '/a/./b',
  'with an empty segment': '/a//b',
  'of two empty segments': '//',
  'without end': `/${'a/'.repeat(50_000)}`,
  'a byte too long': `/${'x'.repeat(1024)}`,
}
/** Of many bytes, few characters, and the longest there is. */
const LONG_NAME = 'ä'.repeat(512)

test.each(Object.keys(NO_NAMES))('a name %s is refused, and nobody has it', async (what) => {
  const { rt, pids } = await world()
  const name = NO_NAMES[what]
  const before = look(rt)
  for (const call of [() => rt.register(name, pids.push), () => rt.startChild(pids.supervisor, () => () => {}, { name })]) {
    const error = await errorOf(call)
    expect(error).toMatchObject({ code: 'InvalidArgument', message: expect.stringContaining('name') })
    expect(error.message.length).toBeLessThan(200)
  }
  expect([rt.whereis(name), rt.resolve(name), rt.unregister(name), rt.sendNamed(name, 'x')]).toEqual([null, null, false, false])
  expect(look(rt)).toEqual(before)
})

test.each(Object.keys(NO_PATHS))('a path %s is refused, and nobody has it', async (what) => {
  const { rt, pids } = await world()
  const given = NO_PATHS[what]
  const before = look(rt)
  const calls = [
    () => rt.registerPath(given, pids.push),
    () => rt.spawnWithPathObserved(1, given),
    () => rt.startChild(pids.supervisor, () => () => {}, { path: given }),
    () => rt.listChildren(given),
    () => rt.listChildrenDirect(given),
    () => rt.watchPath(given),
    () => rt.createPathSupervisor(given),
    () => rt.pathSupervisorWatch(given, pids.push),
    () => rt.pathSupervisorChildren(given),
    () => rt.pathSuperviseWithFactory(given, pids.push, () => pids.push),
  ]
  for (const call of calls) expect(await errorOf(call)).toMatchObject({ code: 'InvalidArgument', message: expect.stringContaining('path') })
  expect([rt.whereisPath(given), rt.unregisterPath(given), rt.removePathSupervisor(given)]).toEqual([null, false, false])
  expect(look(rt)).toEqual(before)
})

test('the longest names and paths, and names that look like paths, are names and paths', async () => {
  const { rt, pids } = await world()
  for (const name of [LONG_NAME, '/', '//', '..', '/a/../b', ' ', '\u0001']) {
    rt.register(name, pids.push)
    expect([rt.whereis(name), rt.sendNamed(name, 'x'), rt.unregister(name)]).toEqual([pids.push, true, true])
  }
  const longest = `/${'ä'.repeat(511)}x`
  rt.registerPath(longest, pids.push)
  expect([rt.whereisPath(longest), rt.listChildren('/').length, rt.unregisterPath(longest)]).toEqual([pids.push, 1, true])
  rt.registerPath('/a/', pids.push)
  expect(rt.whereisPath('/a')).toBe(pids.push)
  expect(await errorOf(() => rt.registerPath('/', pids.push))).toMatchObject({ code: 'InvalidArgument', message: expect.stringContaining('root') })
})

// Times

const NO_TIMES = [-1, -0.001, -5e-324, NaN, -Infinity, '1', 1n, true, {}, []]
const WAITS = {
  join: ({ rt, pids }, seconds) => rt.join(pids.push, seconds),
  'join of who ended': ({ rt }, seconds) => rt.join(4711, seconds),
  ask: ({ rt, pids }, timeout) => rt.ask(pids.push, 'q', { timeout }),
  'ask of a ref': ({ rt, pids }, timeout) => rt.actorRef(pids.push).ask('q', { timeout }),
  recv: ({ mailbox }, seconds) => mailbox.recv(seconds),
  recvMany: ({ mailbox }, seconds) => mailbox.recvMany(5, seconds),
  'selectiveRecv of a mailbox': ({ mailbox }, seconds) => mailbox.selectiveRecv(() => true, seconds),
  'selectiveRecv of an observed actor': ({ rt, pids }, seconds) => rt.selectiveRecv(pids.observed, () => true, seconds),
  sendWhenRoom: ({ rt, pids }, timeout) => rt.sendWhenRoom(pids.full, 'x', { timeout }),
  shutdown: ({ rt }, seconds) => rt.shutdown(seconds),
  'the period of a supervisor': ({ rt }, period) => rt.spawnSupervisor({ period }),
  'the back-off of a supervisor': ({ rt }, seconds) => rt.spawnSupervisor({ backoff: [0, seconds] }),
}

test.each(Object.keys(WAITS))('times that are none are refused by %s', async (name) => {
  const here = await world()
  const { rt, mailbox, pids } = here
  rt.sendMany(pids.pull, ['kept'])
  rt.sendMany(pids.observed, ['kept'])
  const before = look(rt)
  for (const seconds of NO_TIMES) {
    const error = await errorOf(() => WAITS[name](here, seconds))
    expect(error).toMatchObject({ code: 'InvalidArgument', message: expect.stringContaining('of at least 0, not') })
  }
  expect(look(rt)).toEqual(before)
  expect([rt.closed, rt.isAlive(pids.push)]).toEqual([false, true])
  expect(String(await mailbox.recv(0))).toBe('kept')
})

/** Seconds of many years: more milliseconds than a timer of Node can wait, than 32, 53 and 64 bits, and for ever. */
const HUGE = [2_147_484, 1e9, 1e15, 1e308, Number.MAX_VALUE, Infinity]

test.each(HUGE)('a time of %p seconds is a long time', async (seconds) => {
  const { rt, mailbox, pids } = await world()
  const waits = {
    join: rt.join(pids.full, seconds),
    sendWhenRoom: rt.sendWhenRoom(pids.full, 'x', { timeout: seconds }),
    observed: rt.selectiveRecv(pids.observed, () => true, seconds),
    pull: mailbox.selectiveRecv((message) => String(message) === 'last', seconds),
    many: mailbox.recvMany(1, seconds),
    one: mailbox.recv(seconds),
  }
  const ended = []
  for (const [name, wait] of Object.entries(waits)) wait.then(() => ended.push(name))
  expect(String(await rt.ask(pids.push, 'q', { timeout: seconds }))).toBe('q')
  for (let index = 0; index < 20; index++) await turn()
  expect(ended).toEqual([])
  rt.sendMany(pids.pull, ['first', 'second', 'last'])
  rt.send(pids.observed, 'seen')
  expect((await waits.many).map(String)).toEqual(['first'])
  expect([await waits.one, await waits.pull, await waits.observed].map(String)).toEqual(['second', 'last', 'seen'])
  rt.stop(pids.full)
  expect([await waits.join, await waits.sendWhenRoom]).toEqual([true, false])
  const other = open()
  other.send(other.spawn(() => {}), 'x')
  expect(await other.shutdown(seconds)).toEqual({ finished: 1, killed: 0, unfinished: [] })
})

test.each([0, -0, 5e-324, 1e-9])('a wait of %p seconds ends at once', async (seconds) => {
  const { rt, mailbox, pids } = await world()
  expect(await rt.join(pids.push, seconds)).toBe(false)
  expect(await mailbox.recv(seconds)).toBe(null)
  expect(await mailbox.recvMany(5, seconds)).toEqual([])
  expect(await mailbox.selectiveRecv(() => true, seconds)).toBe(null)
  expect(await rt.selectiveRecv(pids.observed, () => true, seconds)).toBe(null)
  expect(await rt.sendWhenRoom(pids.full, 'x', { timeout: seconds })).toBe(false)
  expect(await errorOf(() => rt.ask(pids.full, 'q', { timeout: seconds }))).toMatchObject({ code: expect.stringMatching(/AskTimeout|MailboxFull/) })
  expect(await errorOf(() => rt.ask(pids.pull, 'q', { timeout: seconds }))).toMatchObject({ code: 'AskTimeout' })
})

// Counts

const NO_COUNTS = [0, -0, -1, 0.5, 1.5, NaN, Infinity, -Infinity, 2 ** 32, 2 ** 53, 2 ** 64, 1e300, '1', 1n, true, [1], {}]
const COUNTED = {
  'the budget of spawn': ({ rt }, count) => rt.spawn(() => {}, count),
  'the budget of spawnWithMailbox': ({ rt }, count) => rt.spawnWithMailbox(async () => {}, count),
  'the budget of spawnChild': ({ rt, pids }, count) => rt.spawnChild(pids.push, () => {}, count),
  'the budget of spawnChildWithMailbox': ({ rt, pids }, count) => rt.spawnChildWithMailbox(pids.push, async () => {}, count),
  'the budget of spawnChildPool': ({ rt, pids }, count) => rt.spawnChildPool(pids.push, () => {}, 3, count),
  'the budget of spawnBounded': ({ rt }, count) => rt.spawnBounded(() => {}, count, 10),
  'the budget of spawnVirtual': ({ rt }, count) => rt.spawnVirtual(() => {}, count),
  'the budget of spawnObservedHandler': ({ rt }, count) => rt.spawnObservedHandler(count),
  'the budget of spawnWithPathObserved': ({ rt }, count) => rt.spawnWithPathObserved(count, '/observed'),
  'the budget of a child': ({ rt, pids }, budget) => rt.startChild(pids.supervisor, () => () => {}, { budget }),
  'the capacity of a mailbox': ({ rt }, count) => rt.spawnBounded(() => {}, 10, count),
  'the workers of a pool': ({ rt, pids }, count) => rt.spawnChildPool(pids.push, () => {}, count),
  'the idle time of a virtual actor': ({ rt }, count) => rt.spawnVirtual(() => {}, 10, count),
  'an interval': ({ rt, pids }, count) => rt.sendInterval(pids.push, count, 'x'),
  'the steps of a rollback': ({ rt, pids }, count) => rt.rollbackBehavior(pids.push, count),
  'the messages of recvMany': ({ mailbox }, count) => mailbox.recvMany(count, 0),
  'the actors of a runtime': (_here, actorsMax) => new NodeRuntime({ actorsMax }),
  'the size of a buffer': (_here, size) => allocateBuffer(size),
}

test.each(Object.keys(COUNTED))('%s is an integer of at least 1', async (name) => {
  const here = await world()
  here.rt.hotSwap(here.pids.push, () => {})
  const before = look(here.rt)
  for (const count of NO_COUNTS) {
    const error = await errorOf(() => COUNTED[name](here, count))
    expect([count, error]).toMatchObject([count, { code: 'InvalidArgument', message: expect.stringMatching(/must be|from 1 to/) }])
  }
  expect(look(here.rt)).toEqual(before)
  expect(here.rt.behaviorVersion(here.pids.push)).toBe(2)
})

test('the largest counts and the longest delays are counts and delays', async () => {
  const { rt, pids } = await world()
  const most = 2 ** 32 - 1
  const { pid, got } = collector(rt, most)
  expect(rt.isAlive(rt.spawnBounded(() => {}, most, most))).toBe(true)
  expect(rt.isAlive(rt.spawnVirtual(() => {}, most, most))).toBe(true)
  const timers = [rt.sendAfter(pid, Number.MAX_SAFE_INTEGER, 'x'), rt.sendAfter(pid, 2 ** 40 + 0.5, 'x'), rt.sendInterval(pid, most, 'x')]
  rt.sendAfter(pid, 0, 'at once')
  rt.sendAfter(pid, 5e-324, 'soon')
  await eventually(() => got.length === 2, 'the short delays')
  expect(timers.map((timer) => rt.cancelTimer(timer))).toEqual([true, true, true])
  expect(await errorOf(() => rt.rollbackBehavior(pids.push, most))).toMatchObject({ code: 'InvalidArgument' })
})

test.each([-1, -5e-324, NaN, Infinity, -Infinity, 2 ** 53, 2 ** 64, '1', 1n, null, undefined])('a delay of %p is refused', async (delay) => {
  const { rt, pids } = await world()
  expect(await errorOf(() => rt.sendAfter(pids.push, delay, 'x'))).toMatchObject({ code: 'InvalidArgument' })
  expect(rt.stats().timers).toBe(0)
})

test.each([
  [{ intensity: -1 }], [{ intensity: 1.5 }], [{ intensity: NaN }], [{ intensity: 2 ** 32 }], [{ intensity: 2 ** 64 }],
  [{ period: 0 }], [{ backoff: [2, 1] }], [{ backoff: [NaN, 1] }], [{ backoff: [0] }], [{ backoff: [-1, 1] }],
])('a supervisor with %j is refused', async (options) => {
  const { rt } = await world()
  const before = look(rt)
  const error = await errorOf(() => rt.spawnSupervisor(options))
  expect(error).toMatchObject({ code: 'InvalidArgument' })
  expect(error.message.length).toBeGreaterThan(15)
  expect(look(rt)).toEqual(before)
})

// Answers

const NO_ANSWERS = {
  'a number': 7, 'NaN': NaN, 'a boolean': true, 'a symbol': Symbol('odd'), 'a bigint': 10n, 'an object': {}, 'an array': ['x'],
  'a function': () => 'x', 'a class': class {}, 'a date': new Date(0), 'shared memory': new SharedArrayBuffer(3), 'an error': new Error('x'),
  'a map': new Map(), 'a String': Object('x'), 'an object without a prototype': Object.create(null), 'a proxy': new Proxy({}, {}),
  'text that is not Unicode': 'x\ud800',
}
const WAYS = {
  returned: (value) => value,
  'returned by a promise': async (value) => value,
  'returned by a thenable': (value) => ({ then: (resolve) => resolve(value) }),
  'returned later': async (value) => (await turn(), value),
}
const cases = Object.keys(NO_ANSWERS).flatMap((what) => Object.keys(WAYS).map((way) => [what, way]))

test.each(cases)('%s, %s, is no answer to an ask, is ignored for a plain message, and its actor lives on', async (what, way) => {
  const rt = open()
  const pid = rt.spawn((message) => (String(message) === 'well' ? message : WAYS[way](NO_ANSWERS[what])))
  rt.sendMany(pid, ['plain', 'plain'])
  const asked = rt.ask(pid, 'q')
  rt.send(pid, 'plain')
  const message = expect.stringMatching(new RegExp(`^actor ${pid} failed while it answered: TypeError: a message .*must be`))
  expect(await errorOf(() => asked)).toMatchObject({ name: 'IrisError', code: 'AskFailed', message })
  expect(String(await rt.ask(pid, 'well'))).toBe('well')
  expect(rt.failures).toEqual([])
  const { crashed, handled, sent } = rt.stats()
  expect({ crashed, handled, sent }).toEqual({ crashed: 0, handled: 5, sent: 5 })
})

test('nothing, null and no bytes are answers of no bytes', async () => {
  const rt = open()
  for (const value of [undefined, null, '', Buffer.alloc(0), new ArrayBuffer(0)]) {
    for (const way of Object.values(WAYS)) expect(await rt.ask(rt.spawn(() => way(value)), 'q')).toHaveLength(0)
  }
})

test.each(Object.keys(NO_ANSWERS))('a pull function that returns %s ends normally', async (what) => {
  const rt = open()
  const observed = rt.spawnObservedHandler()
  rt.monitor(rt.spawnWithMailbox(async () => NO_ANSWERS[what]), observed)
  expect(await rt.selectiveRecv(observed, () => true, 10)).toMatchObject({ typeName: 'DOWN', reason: 'Normal' })
  expect(rt.failures).toEqual([])
})
