// Observed: actors that keep what they get, dead letters, and looks at actors.
'use strict'

const { closeAll, collector, deferred, eventually, open } = require('./helpers.js')

afterEach(closeAll)

test('observed_keeps_messages', () => {
  const rt = open()
  const pid = rt.spawnObservedHandler()
  rt.sendMany(pid, ['a', 'b'])
  expect(rt.mailboxSize(pid)).toBe(2)
  rt.hotSwap(pid, () => {})
  const got = rt.getMessages(pid)
  expect(got.filter(({ system }) => system === null).map(({ data }) => String(data))).toEqual(['a', 'b'])
  expect(got.filter(({ system }) => system !== null).map(({ system }) => system.typeName)).toEqual(['HOT_SWAP'])
  expect(rt.getMessages(pid)).toEqual([])
  const push = rt.spawn(() => {})
  expect(() => rt.getMessages(push)).toThrow(expect.objectContaining({ code: 'WrongActorKind' }))
  expect(() => rt.getMessages(4711)).toThrow(expect.objectContaining({ code: 'NoProcess' }))
})

test('an observed actor may have a path', () => {
  const rt = open()
  const pid = rt.spawnWithPathObserved(10, '/seen/here')
  expect(rt.whereisPath('/seen/here')).toBe(pid)
  rt.watchPath('/seen')
  expect(rt.childPids()).toEqual([pid])
  expect(rt.childrenCount()).toBe(1)
})

test('observed_selects', async () => {
  const rt = open()
  const pid = rt.spawnObservedHandler()
  rt.sendMany(pid, ['a', 'b', 'c'])
  const is = (text) => (message) => String(message) === text
  expect(String(await rt.selectiveRecv(pid, is('b')))).toBe('b')
  expect(await rt.selectiveRecv(pid, is('d'), 0.02)).toBe(null)
  const later = rt.selectiveRecv(pid, is('d'))
  rt.sendMany(pid, ['x', 'd'])
  expect(String(await later)).toBe('d')
  const other = rt.spawn(() => {})
  const notice = rt.selectiveRecv(pid, (message) => message.typeName === 'EXIT')
  rt.link(pid, other)
  rt.stop(other)
  expect(await notice).toMatchObject({ typeName: 'EXIT', targetPid: other })
  const failing = rt.selectiveRecv(pid, () => {
    throw new Error('matcher')
  })
  await expect(failing).rejects.toThrow('matcher')
  const signal = AbortSignal.abort(new Error('given up'))
  await expect(rt.selectiveRecv(pid, is('z'), null, { signal })).rejects.toThrow('given up')
  const ended = rt.selectiveRecv(pid, is('never'))
  expect(rt.getMessages(pid).map(({ data }) => String(data))).toEqual(['a', 'c', 'x'])
  rt.stop(pid)
  await expect(ended).rejects.toMatchObject({ code: 'NoProcess' })
})

test('dead_letters_are_counted', async () => {
  const rt = open()
  const gone = rt.spawn(() => {})
  rt.stop(gone)
  const full = rt.spawnBounded(() => {}, 100, 1)
  const gate = deferred()
  const ended = rt.spawn(() => gate.promise)
  for (let index = 0; index < 3; index++) {
    rt.send(gone, 'x')
    rt.send(full, 'x')
    rt.send(ended, 'x')
  }
  await eventually(() => rt.mailboxSize(ended) === 2, 'the handler to begin')
  rt.stop(ended)
  await rt.join(ended)
  expect(rt.deadLetters()).toMatchObject({ NoProcess: 3, MailboxFull: 2, ActorExited: 2 })
  expect(rt.stats().dropped).toEqual(rt.deadLetters())
})

test('dead_letters_are_told', () => {
  const rt = open()
  const listener = rt.spawnObservedHandler()
  rt.listenDeadLetters(listener)
  const gone = rt.spawn(() => {})
  rt.stop(gone)
  rt.send(gone, 'lost')
  const [{ system }] = rt.getMessages(listener)
  expect(system).toMatchObject({ typeName: 'DEAD_LETTER', targetPid: gone, reason: 'NoProcess' })
  expect(String(system.metadata.data)).toBe('lost')
  rt.listenDeadLetters(null)
  rt.send(gone, 'lost')
  expect(rt.getMessages(listener)).toEqual([])
})

test('inspection_shows_an_actor', async () => {
  const rt = open()
  const { pid } = collector(rt, 7)
  const child = rt.spawnChild(pid, () => {})
  rt.register('name', pid)
  rt.registerPath('/path', pid)
  rt.link(pid, child)
  const monitor = rt.monitor(pid, child)
  expect(monitor).toBeGreaterThan(0)
  rt.send(pid, 'x')
  expect(rt.actorInfo(pid)).toEqual({
    pid,
    kind: 'push',
    state: 'active',
    mailboxSize: 1,
    budget: 7,
    version: 1,
    restarts: 0,
    names: ['name'],
    paths: ['/path'],
    links: [child],
    monitoredBy: [child],
    parent: null,
    children: [child],
    supervisor: null,
  })
  expect(rt.actorInfo(child).parent).toBe(pid)
  expect(rt.actorInfo(4711)).toBe(null)
  expect(new Set(rt.tree().map((info) => info.pid))).toEqual(new Set([pid, child]))
  expect(rt.stats()).toMatchObject({ actors: 2, spawned: 2, names: 1, paths: 1, sent: 1 })
})

test('several wait for one observed actor without turning in a circle', async () => {
  const rt = open()
  const pid = rt.spawnObservedHandler()
  const waits = Array.from({ length: 5 }, (_, number) =>
    rt.selectiveRecv(pid, (message) => String(message) === `${number}`, 10),
  )
  const [{ user: before }, began] = [process.cpuUsage(), performance.now()]
  // Long enough that what the engine compiles and collects meanwhile is little of it.
  expect(await rt.selectiveRecv(pid, () => true, 1)).toBe(null)
  const busy = (process.cpuUsage().user - before) / 1000 / (performance.now() - began)
  expect(busy).toBeLessThan(0.5)
  for (const number of [3, 1, 4, 0, 2]) rt.send(pid, `${number}`)
  expect((await Promise.all(waits)).map(String)).toEqual(['0', '1', '2', '3', '4'])
  const last = rt.selectiveRecv(pid, () => true, 10)
  rt.stop(pid)
  await expect(last).rejects.toMatchObject({ code: 'NoProcess' })
})

test.each([true, false])('a wait at an observed actor that its matcher aborts ends and takes nothing: %s', async (matches) => {
  const rt = open()
  const pid = rt.spawnObservedHandler()
  const abortedBy = (given) =>
    rt.selectiveRecv(
      pid,
      () => {
        given.abort()
        return matches
      },
      undefined,
      { signal: given.signal },
    )
  const later = abortedBy(new AbortController())
  rt.sendMany(pid, ['a', 'b'])
  await expect(later).rejects.toMatchObject({ name: 'AbortError' })
  await expect(abortedBy(new AbortController())).rejects.toMatchObject({ name: 'AbortError' })
  expect(rt.getMessages(pid).map(({ data }) => String(data))).toEqual(['a', 'b'])
})

test('a matcher is asked once about each message of an observed actor that is there', async () => {
  const rt = open()
  const pid = rt.spawnObservedHandler()
  rt.sendMany(pid, ['a', 'b'])
  const asked = []
  expect(await rt.selectiveRecv(pid, (message) => void asked.push(String(message)), 0)).toBe(null)
  expect(asked).toEqual(['a', 'b'])
})
