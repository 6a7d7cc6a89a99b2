// Fuzz: any value for any argument of any method: an error that is told of, or an outcome, and a runtime that works on.
'use strict'

const fc = require('fast-check')

const { ActorRef, ErrorCode, IrisError, Mailbox, NodeRuntime, allocateBuffer } = require('../..')
const { turn } = require('./helpers.js')
const { MAKERS, OwnError, anything } = require('./odd.js')

/** Generated runs of each property; `make deep` asks for more. */
const RUNS = Number(process.env.IRIS_FUZZ_RUNS ?? 100)

/** The values of the tests' own world: a runtime with an actor of each kind, a runtime beside it, and what was said wrongly. */
function world() {
  const rt = new NodeRuntime({ logger: null })
  const other = new NodeRuntime({ logger: null })
  const dead = rt.spawn(() => {})
  rt.stop(dead)
  const pids = {
    push: rt.spawn(() => {}),
    async: rt.spawn(async () => {}),
    pull: rt.spawnWithMailbox((mailbox) => mailbox.recv()),
    observed: rt.spawnObservedHandler(),
    bounded: rt.spawnBounded(() => new Promise(() => {}), 1, 1),
    virtual: rt.spawnVirtual(() => {}, 1, 1),
    supervisor: rt.spawnSupervisor(),
    root: rt.rootSupervisor(),
    dead,
    foreign: other.spawn(() => {}),
  }
  rt.hotSwap(pids.push, () => {})
  rt.register('x', pids.push)
  rt.registerPath('/a', pids.async)
  rt.createPathSupervisor('/a/b')
  return { rt, other, pids, wrong: [] }
}

async function closeWorld({ rt, other, wrong }) {
  if (!rt.closed) {
    // Still in order: an actor answers, and the counters balance.
    const pid = rt.spawn((message) => message)
    expect(String(await rt.ask(pid, 'are you there'))).toBe('are you there')
  }
  // Functions that never return are among the values: what they leave unfinished is theirs.
  await Promise.all([rt.close(), other.close()])
  expect(wrong).toEqual([])
}

/** An error the library tells of, or one of the value's own. */
function isTold(error) {
  if (error instanceof OwnError) return true
  // A class is a function that cannot be called.
  if (error instanceof TypeError && error.message.startsWith('Class constructor')) return true
  return error instanceof IrisError && Object.hasOwn(ErrorCode, error.code) && error.message.length > 0
}

/** Calls, and awaits what it returns for a turn at most; an error that nobody told of is noted. */
async function attempt({ wrong }, what, call) {
  const note = (error) => {
    if (!isTold(error)) wrong.push(`${what()}: ${error?.stack ?? String(error)}`)
  }
  try {
    const result = call()
    if (!(result instanceof Promise)) return
    result.catch(note)
    await Promise.race([result.catch(() => {}), turn()])
  } catch (error) {
    note(error)
  }
}

const handler = () => (message) => message
const text = (word) => () => word
const pid = (kind) => Object.assign(({ pids }) => pids[kind], { kind })
const number = (value) => () => value
const matcher = () => () => true
const factory = ({ rt }) => () => rt.spawn(() => {})
const wait = () => {
  const abort = new AbortController()
  setImmediate(() => abort.abort(new OwnError('given up')))
  return { signal: abort.signal }
}

/** Good arguments of each method, one of which at least gives way to any value. */
const GOOD = {
  spawn: [handler, number(10)],
  spawnWithMailbox: [handler, number(10)],
  spawnChild: [pid('push'), handler, number(10)],
  spawnChildWithMailbox: [pid('push'), handler, number(10)],
  spawnChildPool: [pid('push'), handler, number(3), number(10)],
  spawnBounded: [handler, number(10), number(5)],
  spawnVirtual: [handler, number(10), number(10)],
  spawnObservedHandler: [number(10)],
  spawnWithPathObserved: [number(10), text('/observed')],
  send: [pid('push'), text('data')],
  sendMany: [pid('push'), () => ['a', Buffer.from('b')]],
  sendNamed: [text('x'), text('data')],
  sendWhenRoom: [pid('bounded'), text('data'), wait],
  sendBuffer: [pid('push'), () => allocateBuffer(10).id],
  ask: [pid('push'), text('question'), wait],
  actorRef: [pid('push')],
  mailboxSize: [pid('push')],
  setOverflowPolicy: [pid('bounded'), text('redirect'), pid('push')],
  sendAfter: [pid('push'), number(1), text('data')],
  sendInterval: [pid('push'), number(1000), text('data')],
  cancelTimer: [number(1)],
  register: [text('name'), pid('pull')],
  unregister: [text('x')],
  whereis: [text('x')],
  resolve: [text('x')],
  registerPath: [text('/a/c'), pid('pull')],
  unregisterPath: [text('/a')],
  whereisPath: [text('/a')],
  listChildren: [text('/')],
  listChildrenDirect: [text('/a')],
  link: [pid('push'), pid('observed')],
  unlink: [pid('push'), pid('observed')],
  monitor: [pid('push'), pid('observed')],
  demonitor: [number(1)],
  hotSwap: [pid('push'), handler],
  behaviorVersion: [pid('push')],
  rollbackBehavior: [pid('push'), number(1)],
  stop: [pid('virtual')],
  isAlive: [pid('push')],
  join: [pid('push'), number(0.001), wait],
  currentPid: [],
  watch: [pid('push'), text('RestartOne')],
  watchPath: [text('/a')],
  superviseWithFactory: [pid('async'), factory, text('restart_all')],
  unsupervise: [pid('async')],
  rootSupervisor: [],
  childPids: [pid('supervisor')],
  childrenCount: [pid('supervisor')],
  spawnSupervisor: [() => ({ strategy: 'one_for_all', intensity: 1, period: 1, backoff: [0, 1] })],
  startChild: [pid('supervisor'), () => handler, () => ({ restart: 'transient', kind: 'pull' })],
  createPathSupervisor: [text('/b')],
  removePathSupervisor: [text('/b')],
  pathSupervisorWatch: [text('/a/b'), pid('push')],
  pathSupervisorChildren: [text('/a/b')],
  pathSuperviseWithFactory: [text('/a/b'), pid('bounded'), factory, text('rest_for_one')],
  getMessages: [pid('observed')],
  selectiveRecv: [pid('observed'), matcher, number(0.001), wait],
  stats: [],
  actorInfo: [pid('push')],
  tree: [],
  deadLetters: [],
  listenDeadLetters: [pid('observed')],
  monitorNodes: [pid('observed')],
  demonitorNodes: [pid('observed')],
  ref: [],
  unref: [],
}

/** Methods that end the runtime have a test of their own here, those that open ports in fuzz_mesh.test.js. */
const ELSEWHERE = ['shutdown', 'close', 'constructor', 'closed']
ELSEWHERE.push('listen', 'startMesh', 'joinMesh', 'resolveRemote', 'sendRemote', 'monitorRemote', 'isNodeUp', 'meshInfo')

const PIDS = ['push', 'async', 'pull', 'observed', 'bounded', 'virtual', 'supervisor', 'root', 'dead', 'foreign'].map(pid)

function nameOf(make) {
  return make.kind ?? String(make).replace(/\s+/g, ' ').slice(0, 80)
}

/** Calls a method; too many children are no odd value but a heavy one. */
function callMethod(rt, method, values) {
  if (method === 'spawnChildPool' && typeof values[2] === 'number' && values[2] > 100) values[2] = 100
  // What iterates throws what it likes.
  if (method === 'sendMany' && ArrayBuffer.isView(values[1])) values[1] = []
  return rt[method](...values)
}

test('every method is tried', () => {
  const methods = Object.getOwnPropertyNames(NodeRuntime.prototype).filter((name) => !ELSEWHERE.includes(name))
  expect(Object.keys(GOOD).sort()).toEqual(methods.sort())
})

test('good arguments are good', async () => {
  for (const [method, good] of Object.entries(GOOD)) {
    const here = world()
    await callMethod(here.rt, method, good.map((make) => make(here)))?.catch?.((error) => expect(error).toBeInstanceOf(OwnError))
    await closeWorld(here)
  }
})

test.each(Object.keys(GOOD))('any value for each argument of %s', async (method) => {
  const here = world()
  const makers = [...Object.values(MAKERS).flat(), ...PIDS]
  for (let place = 0; place <= GOOD[method].length; place++) {
    for (const make of makers) {
      const values = [...GOOD[method]].map((good) => good(here))
      const what = () => `${method} with ${nameOf(make)} for argument ${place}`
      await attempt(here, what, () => {
        values[place] = make(here)
        return callMethod(here.rt, method, values)
      })
    }
  }
  await closeWorld(here)
})

test('any calls one after the other', async () => {
  const call = fc.constantFrom(...Object.keys(GOOD)).chain((method) =>
    fc.record({ method: fc.constant(method), odd: fc.array(fc.option(anything(PIDS), { freq: 2 }), { maxLength: 5 }) }),
  )
  const property = fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 60 }), async (steps) => {
    const here = world()
    for (const { method, odd } of steps) {
      const makers = Array.from({ length: Math.max(odd.length, GOOD[method].length) }, (_, place) => odd[place] ?? GOOD[method][place])
      const what = () => `${method}(${makers.map((make) => make && nameOf(make)).join(', ')})`
      await attempt(here, what, () => callMethod(here.rt, method, makers.map((make) => make?.(here))))
    }
    await turn()
    await closeWorld(here)
  })
  await fc.assert(property, { numRuns: RUNS })
}, 3_600_000)

test('any value for the arguments of what is no method of a runtime', async () => {
  const here = world()
  const { rt, pids } = here
  let mailbox
  rt.spawnWithMailbox((given) => {
    mailbox = given
    return new Promise((resolve) => (mailbox.done = resolve))
  })
  await turn()
  expect(mailbox).toBeInstanceOf(Mailbox)
  const ref = rt.actorRef(pids.push)
  expect(ref).toBeInstanceOf(ActorRef)
  const calls = {
    'recv(value)': (value) => mailbox.recv(value, wait()),
    'recv(0, value)': (value) => mailbox.recv(0, value),
    'selectiveRecv(value)': (value) => mailbox.selectiveRecv(value, 0),
    'selectiveRecv(value) of a message': (value) => rt.send(mailbox.pid, 'x') && mailbox.selectiveRecv(value, 0),
    'recvMany(value)': (value) => mailbox.recvMany(value, 0),
    'recvMany(1, value)': (value) => mailbox.recvMany(1, value, wait()),
    'recvMany(1, 0, value)': (value) => mailbox.recvMany(1, 0, value),
    'reply(value)': (value) => mailbox.reply(value, 'x'),
    'ref.send': (value) => ref.send(value),
    'ref.ask': (value) => ref.ask(value, wait()),
    'ref.ask options': (value) => ref.ask('x', value),
    'allocateBuffer': (value) => allocateBuffer(typeof value === 'number' && value > 1e6 ? -value : value),
    'new NodeRuntime': (value) => new NodeRuntime(value).close(),
    'new NodeRuntime logger': (value) => new NodeRuntime({ logger: value }).close(),
    'shutdown': async (value) => {
      const closing = new NodeRuntime()
      closing.spawn(() => {})
      try {
        await closing.shutdown(value)
      } finally {
        await closing.close()
      }
    },
  }
  for (const [name, call] of Object.entries(calls)) {
    for (const make of [...Object.values(MAKERS).flat(), ...PIDS]) {
      await attempt(here, () => `${name} with ${nameOf(make)}`, () => call(make(here)))
    }
  }
  mailbox.done()
  await closeWorld(here)
})

test('any method of a closed runtime', async () => {
  const here = world()
  await here.rt.close()
  for (const method of Object.keys(GOOD)) {
    await attempt(here, () => method, () => callMethod(here.rt, method, GOOD[method].map((make) => make(here))))
  }
  await closeWorld(here)
})
