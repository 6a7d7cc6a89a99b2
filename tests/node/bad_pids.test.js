// Bad pids: a number that no actor, timer, monitor or buffer has is as good as one that is gone, and what is no number is refused.
'use strict'

const { allocateBuffer } = require('../..')
const { open } = require('./helpers.js')
const { closeWorlds, errorOf, look, world } = require('./world.js')

afterEach(closeWorlds)

/** Pids that no actor has, and never had; `gone` and `foreign` are made by the test. */
const NOBODY = [0, -0, -1, 1, 0.5, 1.5, NaN, Infinity, -Infinity, 2 ** 28 - 1, 2 ** 52, 2 ** 53 - 1, 2 ** 53, 2 ** 64, -(2 ** 64), 1e300, 5e-324]
const noProcess = { code: 'NoProcess', message: expect.stringContaining('no live actor has pid') }

/** What is answered about a pid that no actor has, by an outcome of its own. */
const ANSWERS = {
  send: [({ rt }, pid) => rt.send(pid, 'x'), false],
  'send of a message that is no Buffer': [({ rt }, pid) => rt.send(pid, new ArrayBuffer(3)), false],
  sendMany: [({ rt }, pid) => rt.sendMany(pid, ['x', 'y']), 0],
  sendWhenRoom: [({ rt }, pid) => rt.sendWhenRoom(pid, 'x'), false],
  sendBuffer: [({ rt, id }, pid) => rt.sendBuffer(pid, id), false],
  mailboxSize: [({ rt }, pid) => rt.mailboxSize(pid), null],
  actorInfo: [({ rt }, pid) => rt.actorInfo(pid), null],
  isAlive: [({ rt }, pid) => rt.isAlive(pid), false],
  stop: [({ rt }, pid) => rt.stop(pid), false],
  join: [({ rt }, pid) => rt.join(pid), true],
  unlink: [({ rt, pids }, pid) => rt.unlink(pid, pids.push), false],
  'unlink of the other': [({ rt, pids }, pid) => rt.unlink(pids.push, pid), false],
  unsupervise: [({ rt }, pid) => rt.unsupervise(pid), false],
  demonitorNodes: [({ rt }, pid) => rt.demonitorNodes(pid), false],
}

/** What cannot be done with a pid that no actor has. */
const REFUSALS = {
  ask: ({ rt }, pid) => rt.ask(pid, 'q'),
  setOverflowPolicy: ({ rt }, pid) => rt.setOverflowPolicy(pid, 'block'),
  'the target of setOverflowPolicy': ({ rt, pids }, pid) => rt.setOverflowPolicy(pids.full, 'redirect', pid),
  sendAfter: ({ rt }, pid) => rt.sendAfter(pid, 1, 'x'),
  sendInterval: ({ rt }, pid) => rt.sendInterval(pid, 1, 'x'),
  register: ({ rt }, pid) => rt.register('name', pid),
  registerPath: ({ rt }, pid) => rt.registerPath('/path', pid),
  link: ({ rt, pids }, pid) => rt.link(pid, pids.push),
  'link of the other': ({ rt, pids }, pid) => rt.link(pids.push, pid),
  monitor: ({ rt, pids }, pid) => rt.monitor(pid, pids.observed),
  'the watcher of monitor': ({ rt, pids }, pid) => rt.monitor(pids.push, pid),
  monitorNodes: ({ rt }, pid) => rt.monitorNodes(pid),
  listenDeadLetters: ({ rt }, pid) => rt.listenDeadLetters(pid),
  hotSwap: ({ rt }, pid) => rt.hotSwap(pid, () => {}),
  behaviorVersion: ({ rt }, pid) => rt.behaviorVersion(pid),
  rollbackBehavior: ({ rt }, pid) => rt.rollbackBehavior(pid),
  watch: ({ rt }, pid) => rt.watch(pid),
  superviseWithFactory: ({ rt, pids }, pid) => rt.superviseWithFactory(pid, () => pids.push),
  pathSupervisorWatch: ({ rt }, pid) => rt.pathSupervisorWatch('/supervised', pid),
  pathSuperviseWithFactory: ({ rt, pids }, pid) => rt.pathSuperviseWithFactory('/supervised', pid, () => pids.push),
  spawnChild: ({ rt }, pid) => rt.spawnChild(pid, () => {}),
  spawnChildWithMailbox: ({ rt }, pid) => rt.spawnChildWithMailbox(pid, async () => {}),
  spawnChildPool: ({ rt }, pid) => rt.spawnChildPool(pid, () => {}, 3),
  startChild: ({ rt }, pid) => rt.startChild(pid, () => () => {}),
  getMessages: ({ rt }, pid) => rt.getMessages(pid),
  selectiveRecv: ({ rt }, pid) => rt.selectiveRecv(pid, () => true, 0),
}

/** A world with pids of actors that ended or are another runtime's, and numbers close to the pid of one that lives. */
async function worldOfNobody() {
  const here = await world()
  const { rt, pids } = here
  rt.createPathSupervisor('/supervised')
  const [gone, dismissed] = [rt.spawn(() => {}), rt.spawnSupervisor()]
  for (const pid of [gone, dismissed]) {
    rt.stop(pid)
    await rt.join(pid)
  }
  const foreign = open().spawn(() => {})
  const near = [pids.push + 0.5, -pids.push, pids.push + 2 ** 32, pids.push + 2 ** 52]
  return { ...here, id: allocateBuffer(10).id, nobody: [...NOBODY, gone, dismissed, foreign, ...near] }
}

test.each(Object.keys(ANSWERS))('of a pid that no actor has %s says so', async (name) => {
  const here = await worldOfNobody()
  const [call, answer] = ANSWERS[name]
  for (const pid of here.nobody) expect([pid, await call(here, pid)]).toEqual([pid, answer])
  expect(here.rt.sendBuffer(here.pids.push, here.id)).toBe(true)
  for (const pid of Object.values(here.pids)) expect(here.rt.isAlive(pid)).toBe(true)
})

test.each(Object.keys(REFUSALS))('with a pid that no actor has %s is refused', async (name) => {
  const here = await worldOfNobody()
  const before = look(here.rt)
  for (const pid of here.nobody) expect([pid, await errorOf(() => REFUSALS[name](here, pid))]).toMatchObject([pid, noProcess])
  const after = look(here.rt)
  // A refused ask is a message that was not delivered.
  expect({ ...after, sent: before.sent }).toEqual(before)
  expect(here.rt.actorInfo(here.pids.push)).toMatchObject({ links: [], monitoredBy: [], children: [], supervisor: null })
})

test('a supervisor that is none has no children and gets none', async () => {
  const { rt, pids, nobody } = await worldOfNobody()
  const none = { code: expect.stringMatching(/^(NoSupervisor|NoProcess)$/) }
  for (const supervisor of [...nobody, pids.push, pids.observed]) {
    const calls = [() => rt.childPids(supervisor), () => rt.childrenCount(supervisor), () => rt.spawnSupervisor({ supervisor })]
    for (const call of calls) expect([supervisor, await errorOf(call)]).toMatchObject([supervisor, none])
  }
  expect(await errorOf(() => rt.startChild(pids.push, () => () => {}))).toMatchObject({ code: 'NoSupervisor' })
})

const NO_PIDS = ['1', 1n, true, {}, [1], Symbol('pid'), () => 1]
/** Those that look at their pid on the native side. */
const SENDS = ['send', 'send of a message that is no Buffer', 'sendMany']

test.each(NO_PIDS)('%p is no pid', async (pid) => {
  const here = await worldOfNobody()
  const before = look(here.rt)
  const answers = Object.entries(ANSWERS).map(([name, [call]]) => [name, call])
  const calls = [...answers, ...Object.entries(REFUSALS), ['actorRef', () => here.rt.actorRef(pid)]]
  for (const [name, call] of calls.filter(([name]) => !SENDS.includes(name))) {
    expect([name, await errorOf(() => call(here, pid))]).toMatchObject([name, { code: 'InvalidArgument' }])
  }
  expect(look(here.rt)).toEqual(before)
})

test.each(SENDS)('%s to what is no pid is refused as a value of a wrong type', async (name) => {
  const here = await worldOfNobody()
  const [call] = ANSWERS[name]
  for (const pid of [...NO_PIDS, null, undefined]) {
    expect([pid, await errorOf(() => call(here, pid))]).toMatchObject([pid, { code: 'InvalidArgument' }])
  }
})

/** Away from a number: it and this are nobody's. */
const AWAY = [0.5, -0.5, 2 ** 32, -(2 ** 32), 2 ** 33, 2 ** 53, 2 ** 64, -(2 ** 64), 1e300, NaN, Infinity]

test('numbers close to those of a timer and a monitor are not theirs', async () => {
  const { rt, pids } = await world()
  const timer = rt.sendAfter(pids.push, 1e6, 'x')
  const monitor = rt.monitor(pids.push, pids.observed)
  for (const away of AWAY) expect([away, rt.cancelTimer(timer + away), rt.demonitor(monitor + away)]).toEqual([away, false, false])
  expect([rt.cancelTimer(timer), rt.demonitor(monitor)]).toEqual([true, true])
})

test('numbers close to that of a buffer are not its number', async () => {
  const { rt, pids } = await world()
  const { id, buffer } = allocateBuffer(10)
  for (const away of AWAY) {
    expect([away, await errorOf(() => rt.sendBuffer(pids.push, id + away))]).toMatchObject([away, { code: 'NoSuchBuffer' }])
  }
  expect([buffer.length, rt.sendBuffer(pids.push, id)]).toEqual([10, true])
})
