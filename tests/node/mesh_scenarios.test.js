// The scenarios of the mesh that every language plays: two nodes in one process, on loopback.
'use strict'

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const { devCerts } = require('../..')
const { closeAll, collector, eventually, open } = require('./helpers.js')

const shout = (message) => String(message).toUpperCase()

afterEach(closeAll)

/** Takes what an observed actor gets until it has so many notices of its own kind: heartbeats are none. */
async function notices(rt, watcher, count) {
  const got = []
  const look = () => {
    const news = rt.getMessages(watcher).map(({ system }) => system)
    return got.push(...news.filter(({ typeName }) => typeName !== 'PONG')) >= count
  }
  await eventually(look, `${count} notices`)
  return got
}

test('remote_messages_keep_their_order', async () => {
  const [rt, there] = [open(), open()]
  const { pid, got } = collector(there)
  there.register('mail', pid)
  const address = there.listen('127.0.0.1:0')
  const proxy = await rt.resolveRemote(address, 'mail')
  expect(proxy).toBeGreaterThanOrEqual(2 ** 52)
  expect(await rt.resolveRemote(address, 'mail')).toBe(proxy)
  expect(await rt.resolveRemote(address, 'nobody')).toBeNull()
  const numbers = Array.from({ length: 10_000 }, (_, number) => String(number))
  for (const number of numbers) expect(rt.send(proxy, number)).toBe(true)
  await eventually(() => got.length === 10_000, 'all messages')
  expect(got).toEqual(numbers)
})

test('remote_pid_is_reached', async () => {
  const [rt, there] = [open(), open()]
  const { pid, got } = collector(there)
  const address = there.listen('127.0.0.1:0')
  const numbers = Array.from({ length: 100 }, (_, number) => String(number))
  for (const number of numbers) expect(rt.sendRemote(address, pid, number)).toBe(true)
  await eventually(() => got.length === 100, 'all messages')
  expect(got).toEqual(numbers)
  expect(rt.send(pid, 'a pid of there is none of here')).toBe(false)
})

test('remote_asks_are_answered', async () => {
  const [rt, there] = [open(), open()]
  there.register('shout', there.spawn(shout))
  there.register('silent', there.spawnObservedHandler())
  const address = there.listen('127.0.0.1:0')
  const proxy = await rt.resolveRemote(address, 'shout')
  expect(String(await rt.ask(proxy, 'hello'))).toBe('HELLO')
  const silent = await rt.resolveRemote(address, 'silent')
  await expect(rt.ask(silent, 'hello', { timeout: 0.01 })).rejects.toMatchObject({ code: 'AskTimeout' })
  there.stop(there.whereis('shout'))
  await expect(rt.ask(proxy, 'hello')).rejects.toMatchObject({ code: expect.stringMatching(/^(NoProcess|AskFailed)$/) })
})

test('remote_ends_are_told', async () => {
  const [rt, there] = [open(), open()]
  const fragile = there.spawn(() => {
    throw new RangeError('told to crash')
  })
  there.register('fragile', fragile)
  const proxy = await rt.resolveRemote(there.listen('127.0.0.1:0'), 'fragile')
  const watcher = rt.spawnObservedHandler()
  const monitor = rt.monitor(proxy, watcher)
  rt.link(watcher, proxy)
  rt.send(proxy, 'crash')
  const told = await notices(rt, watcher, 2)
  expect(told.map(({ typeName }) => typeName).sort()).toEqual(['DOWN', 'EXIT'])
  for (const notice of told) expect(notice).toMatchObject({ targetPid: proxy, reason: 'Crash' })
  expect(told.find(({ typeName }) => typeName === 'EXIT').metadata.message).toBe('told to crash')
  expect(rt.demonitor(monitor)).toBe(false)
  expect(rt.isAlive(proxy)).toBe(false)
})

test('remote_actor_is_stopped', async () => {
  const [rt, there] = [open(), open()]
  const target = there.spawn(shout)
  there.register('shout', target)
  const proxy = await rt.resolveRemote(there.listen('127.0.0.1:0'), 'shout')
  expect(rt.stop(proxy)).toBe(true)
  expect(await there.join(target)).toBe(true)
  expect(await rt.join(proxy)).toBe(true)
  expect(there.whereis('shout')).toBeNull()
})

test('lost_node_ends_its_proxies', async () => {
  const [rt, there] = [open(), open()]
  there.register('shout', there.spawn(shout))
  const address = there.listen('127.0.0.1:0')
  const proxy = await rt.resolveRemote(address, 'shout')
  const watcher = rt.spawnObservedHandler()
  rt.monitor(proxy, watcher)
  await there.close()
  expect(await rt.join(proxy)).toBe(true)
  const told = await notices(rt, watcher, 1)
  // A node that closes in order stops its actors first, and some of them are told before it is gone.
  const reason = expect.stringMatching(/^(NodeDown|Killed)$/)
  expect(told).toMatchObject([{ typeName: 'DOWN', targetPid: proxy, reason }])
  expect(await rt.resolveRemote(address, 'shout')).toBeNull()
  expect(await rt.isNodeUp(address)).toBe(false)
})

test('factory_finds_a_returned_node', async () => {
  const [rt, there, back] = [open(), open(), open()]
  there.register('shout', there.spawn(shout))
  const address = there.listen('127.0.0.1:0')
  const proxy = await rt.resolveRemote(address, 'shout')
  const lookAgain = async () => {
    const pid = await rt.resolveRemote(address, 'shout')
    if (pid === null) throw new Error('not back yet')
    return pid
  }
  rt.superviseWithFactory(proxy, lookAgain, 'RestartOne')
  await there.close()
  expect(await rt.join(proxy)).toBe(true)
  back.register('shout', back.spawn(shout))
  expect(back.listen(address)).toBe(address)
  await eventually(() => rt.childPids().some((pid) => pid !== proxy), 'the supervisor finds it')
  expect(String(await rt.ask(rt.childPids()[0], 'hello'))).toBe('HELLO')
})

test('slow_node_slows_its_senders', async () => {
  const [rt, there] = [open(), open()]
  const kept = there.spawnObservedHandler()
  there.register('kept', kept)
  const address = there.listen('127.0.0.1:0')
  rt.startMesh({ window: 2 ** 21 })
  const proxy = await rt.resolveRemote(address, 'kept')
  let taken = 0
  while (rt.send(proxy, Buffer.alloc(1000)) && taken < 10_000) taken += 1
  expect(taken).toBeLessThanOrEqual(2 ** 21 / 1128)
  await expect(rt.ask(proxy, Buffer.alloc(1000))).rejects.toMatchObject({ code: 'MailboxFull' })
  const sent = rt.sendWhenRoom(proxy, Buffer.alloc(1000))
  let got = 0
  await eventually(() => (got += there.getMessages(kept).length) === taken + 1, 'what was taken')
  expect(await sent).toBe(true)
})

test('peers_reach_what_rules_allow', async () => {
  const [rt, there, other] = [open(), open(), open()]
  for (const name of ['time', 'secret']) there.register(name, there.spawn(shout))
  const address = there.listen('127.0.0.1:0', { allow: { here: ['time'], 'other-*': ['*'] } })
  rt.startMesh({ name: 'here' })
  expect(String(await rt.ask(await rt.resolveRemote(address, 'time'), 'now'))).toBe('NOW')
  expect(await rt.resolveRemote(address, 'secret')).toBeNull()
  other.startMesh({ name: 'other-1' })
  expect(String(await other.ask(await other.resolveRemote(address, 'secret'), 'key'))).toBe('KEY')
})

test('strangers_are_refused', async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'iris-'))
  const [ours, theirs] = [path.join(directory, 'ours'), path.join(directory, 'theirs')]
  devCerts(ours, ['there', 'here'])
  devCerts(theirs, ['here'])
  const [rt, there, plain, foreign] = [open(), open(), open(), open()]
  there.register('shout', there.spawn(shout))
  const address = there.listen('127.0.0.1:0', { name: 'there', certificates: ours })
  plain.startMesh({ name: 'here', timeout: 2 })
  foreign.startMesh({ name: 'here', certificates: theirs })
  expect(await plain.resolveRemote(address, 'shout')).toBeNull()
  expect(await foreign.resolveRemote(address, 'shout')).toBeNull()
  await eventually(() => there.meshInfo().refused === 2, 'both are counted')
  rt.startMesh({ name: 'here', certificates: ours })
  expect(String(await rt.ask(await rt.resolveRemote(address, 'shout'), 'hello'))).toBe('HELLO')
  fs.rmSync(directory, { recursive: true })
})
