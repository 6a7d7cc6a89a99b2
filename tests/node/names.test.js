// Names: names, paths, links and monitors.
'use strict'

const { closeAll, open } = require('./helpers.js')

afterEach(closeAll)

const nothing = () => {}

test('name_goes_with_its_actor', () => {
  const rt = open()
  const pid = rt.spawn(nothing)
  rt.register('service', pid)
  rt.register('alias', pid)
  expect(rt.whereis('service')).toBe(pid)
  expect(rt.resolve('alias')).toBe(pid)
  rt.stop(pid)
  expect(rt.whereis('service')).toBe(null)
  const next = rt.spawn(nothing)
  rt.register('service', next)
  expect(rt.whereis('service')).toBe(next)
  expect(rt.unregister('service')).toBe(true)
  expect(rt.unregister('service')).toBe(false)
  expect(rt.whereis('service')).toBe(null)
})

test('name_of_live_actor_is_taken', () => {
  const rt = open()
  const [one, two] = [rt.spawn(nothing), rt.spawn(nothing)]
  rt.register('service', one)
  expect(() => rt.register('service', two)).toThrow(expect.objectContaining({ code: 'NameTaken' }))
  expect(() => rt.register('', two)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  expect(() => rt.register(7, two)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  expect(() => rt.register('ghost', 4711)).toThrow(expect.objectContaining({ code: 'NoProcess' }))
})

test('paths_list_whole_segments', () => {
  const rt = open()
  const spawnAt = (path) => {
    const pid = rt.spawn(nothing)
    rt.registerPath(path, pid)
    return { path, pid }
  }
  const b = spawnAt('/a/b')
  const c = spawnAt('/a/b/c')
  const d = spawnAt('/a/d')
  spawnAt('/ab')
  spawnAt('/a-b/c')
  expect(rt.whereisPath('/a/b')).toBe(b.pid)
  expect(rt.listChildren('/a')).toEqual([b, c, d])
  expect(rt.listChildrenDirect('/a')).toEqual([b, d])
  expect(rt.listChildren('/a/b')).toEqual([c])
  expect(rt.unregisterPath('/a/d')).toBe(true)
  expect(rt.unregisterPath('/a/d')).toBe(false)
  rt.stop(b.pid)
  expect(rt.whereisPath('/a/b')).toBe(null)
  expect(rt.listChildren('/a')).toEqual([c])
  expect(() => rt.registerPath('/a/b/c', d.pid)).toThrow(expect.objectContaining({ code: 'NameTaken' }))
  expect(() => rt.registerPath('no slash', d.pid)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
})

test('link_tells_exit', () => {
  const rt = open()
  const watcher = rt.spawnObservedHandler()
  const [one, two] = [rt.spawn(nothing), rt.spawn(nothing)]
  rt.link(watcher, one)
  rt.link(two, watcher)
  expect(rt.unlink(watcher, two)).toBe(true)
  expect(rt.unlink(watcher, two)).toBe(false)
  rt.stop(one)
  rt.stop(two)
  const got = rt.getMessages(watcher)
  expect(got).toHaveLength(1)
  expect(got[0].data).toEqual(Buffer.alloc(0))
  expect(got[0].system).toMatchObject({
    typeName: 'EXIT',
    fromPid: one,
    targetPid: one,
    reason: 'Killed',
    metadata: null,
  })
  expect(() => rt.link(watcher, one)).toThrow(expect.objectContaining({ code: 'NoProcess' }))
})

test('a link tells the crash with type, message and stack', async () => {
  const rt = open()
  const watcher = rt.spawnObservedHandler()
  const pid = rt.spawn(() => {
    throw new RangeError('on purpose')
  })
  rt.link(watcher, pid)
  rt.send(pid, 'x')
  await rt.join(pid)
  const [{ system }] = rt.getMessages(watcher)
  expect(system).toMatchObject({ typeName: 'EXIT', reason: 'Crash' })
  expect(system.metadata).toMatchObject({ type: 'RangeError', message: 'on purpose' })
  expect(system.metadata.traceback).toContain('names.test.js')
})

test('monitor_tells_down_once', () => {
  const rt = open()
  const watcher = rt.spawnObservedHandler()
  const pid = rt.spawn(nothing)
  const first = rt.monitor(pid, watcher)
  const second = rt.monitor(pid, watcher)
  expect(first).not.toBe(second)
  rt.stop(pid)
  const monitors = rt.getMessages(watcher).map(({ system }) => system.metadata.monitor)
  expect(monitors.sort()).toEqual([first, second].sort())
  expect(rt.getMessages(watcher)).toEqual([])
  expect(rt.demonitor(first)).toBe(false)
})

test('demonitor_is_silent', () => {
  const rt = open()
  const watcher = rt.spawnObservedHandler()
  const pid = rt.spawn(nothing)
  expect(rt.demonitor(rt.monitor(pid, watcher))).toBe(true)
  rt.stop(pid)
  expect(rt.getMessages(watcher)).toEqual([])
})

test('within a handler the actor that runs is the watcher', async () => {
  const rt = open()
  const target = rt.spawn(nothing)
  const pid = rt.spawn(() => `${rt.monitor(target)}`)
  const monitor = Number(await rt.ask(pid, 'watch'))
  expect(rt.actorInfo(target).monitoredBy).toEqual([pid])
  expect(rt.demonitor(monitor)).toBe(true)
  expect(() => rt.monitor(target)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
})
