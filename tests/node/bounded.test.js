// Bounded: mailboxes with bounds, and what happens beyond them; virtual actors.
'use strict'

const { closeAll, collector, deferred, eventually, open } = require('./helpers.js')

afterEach(closeAll)

/** A bounded actor that collects. */
function bounded(rt, capacity) {
  const got = []
  const pid = rt.spawnBounded((message) => void got.push(String(message)), 100, capacity)
  return { pid, got }
}

test('bounded_refuses_new', async () => {
  const rt = open()
  const { pid, got } = bounded(rt, 2)
  expect([1, 2, 3].map((number) => rt.send(pid, `${number}`))).toEqual([true, true, false])
  await eventually(() => got.length === 2, 'the messages')
  expect(rt.send(pid, '4')).toBe(true)
  await expect(
    Promise.all([rt.ask(pid, 'a'), rt.ask(pid, 'b'), rt.ask(pid, 'c'), rt.ask(pid, 'd')]),
  ).rejects.toMatchObject({ code: 'MailboxFull' })
  expect(() => rt.spawnBounded(() => {}, 100, 0)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
})

test('bounded_drops_old', async () => {
  const rt = open()
  const { pid, got } = bounded(rt, 2)
  rt.setOverflowPolicy(pid, 'dropold')
  expect([1, 2, 3].map((number) => rt.send(pid, `${number}`))).toEqual([true, true, true])
  await eventually(() => got.length === 2, 'the messages')
  expect(got).toEqual(['2', '3'])
})

test('bounded_blocks', async () => {
  const rt = open()
  const gate = deferred()
  const got = []
  const pid = rt.spawnBounded(
    (message) => {
      got.push(String(message))
      return gate.promise
    },
    100,
    1,
  )
  rt.setOverflowPolicy(pid, 'block')
  rt.send(pid, '1')
  await eventually(() => got.length === 1, 'the handler to begin')
  expect(rt.send(pid, '2')).toBe(true)
  expect(rt.send(pid, '3')).toBe(false)
  expect(await rt.sendWhenRoom(pid, '3', { timeout: 0.02 })).toBe(false)
  const signal = AbortSignal.abort(new Error('given up'))
  await expect(rt.sendWhenRoom(pid, '3', { signal })).rejects.toThrow('given up')
  const waiting = [rt.sendWhenRoom(pid, '3'), rt.sendWhenRoom(pid, '4')]
  gate.resolve()
  expect(await Promise.all(waiting)).toEqual([true, true])
  await eventually(() => got.length === 4, 'all messages')
  expect(got).toEqual(['1', '2', '3', '4'])
  rt.stop(pid)
  expect(await rt.sendWhenRoom(pid, '5')).toBe(false)
})

test('bounded_redirects', async () => {
  const rt = open()
  const { pid, got } = bounded(rt, 1)
  const other = collector(rt)
  rt.setOverflowPolicy(pid, 'redirect', other.pid)
  expect([1, 2, 3].map((number) => rt.send(pid, `${number}`))).toEqual([true, true, true])
  await eventually(() => got.length + other.got.length === 3, 'the messages')
  expect([got, other.got]).toEqual([['1'], ['2', '3']])
})

test('bounded_spills_in_order', async () => {
  const rt = open()
  const { pid, got } = bounded(rt, 3)
  rt.setOverflowPolicy(pid, 'spill')
  const sent = Array.from({ length: 1000 }, (_, number) => `${number}`)
  expect(rt.sendMany(pid, sent)).toBe(1000)
  await eventually(() => got.length === 1000, 'all messages')
  expect(got).toEqual(sent)
})

test('policies are checked', () => {
  const rt = open()
  const { pid } = bounded(rt, 1)
  const unbounded = rt.spawn(() => {})
  for (const args of [
    [pid, 'redirect'],
    [pid, 'sometimes'],
    [pid, 7],
    [unbounded, 'block'],
    [pid, 'redirect', pid],
  ]) {
    expect(() => rt.setOverflowPolicy(...args)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  }
  expect(() => rt.setOverflowPolicy(4711, 'block')).toThrow(expect.objectContaining({ code: 'NoProcess' }))
})

test('virtual_starts_late_and_retires', async () => {
  const rt = open()
  const watcher = rt.spawnObservedHandler()
  const got = []
  const pid = rt.spawnVirtual((message) => void got.push(String(message)), 100, 20)
  rt.monitor(pid, watcher)
  expect(rt.isAlive(pid)).toBe(true)
  rt.send(pid, 'a')
  expect(await rt.join(pid, 5)).toBe(true)
  expect(got).toEqual(['a'])
  expect(rt.getMessages(watcher)[0].system.reason).toBe('Normal')
  const lasting = rt.spawnVirtual(() => 'here')
  expect(String(await rt.ask(lasting, 'q'))).toBe('here')
})
