// Bounded: mailboxes with bounds, and what happens beyond them; virtual actors.
'use strict'

const { closeAll, collector, deferred, eventually, open, turn } = require('./helpers.js')

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

test('sends that wait for room keep their order, and what they carry, and are no dead letters', async () => {
  for (const policy of ['block', 'dropnew']) {
    const rt = open()
    const { pid, got } = bounded(rt, 1)
    rt.setOverflowPolicy(pid, policy)
    // It makes room, and sends in the very moment there is some.
    const other = rt.spawn(() => void sent.push(rt.sendWhenRoom(pid, 'last')))
    const data = Buffer.from('1')
    const sent = [rt.sendWhenRoom(pid, '0'), rt.sendWhenRoom(pid, data)]
    data.fill('x')
    for (const number of [2, 3]) sent.push(rt.sendWhenRoom(pid, new Uint16Array([0x3030 + number]).buffer))
    rt.send(other, 'x')
    await eventually(() => got.length === 5, 'all messages')
    expect(await Promise.all(sent)).toEqual(Array(5).fill(true))
    expect(got).toEqual(['0', '1', '20', '30', 'last'])
    expect(rt.stats().dropped.MailboxFull).toBe(0)
  }
})

test('a send that would have to wait is refused and counted', async () => {
  const rt = open()
  const listener = rt.spawnObservedHandler()
  rt.listenDeadLetters(listener)
  const pid = rt.spawnBounded(() => new Promise(() => {}), 1, 1)
  rt.setOverflowPolicy(pid, 'block')
  rt.send(pid, 'in hand')
  await eventually(() => rt.mailboxSize(pid) === 0, 'the handler to begin')
  expect([rt.send(pid, 'a'), rt.send(pid, 'b'), rt.send(pid, Buffer.from('c'))]).toEqual([true, false, false])
  expect(rt.sendMany(pid, ['d', 'e'])).toBe(0)
  expect(rt.stats().dropped.MailboxFull).toBe(3)
  expect(await rt.sendWhenRoom(pid, 'f', { timeout: 0 })).toBe(false)
  expect(rt.stats().dropped.MailboxFull).toBe(3)
  expect(rt.getMessages(listener).map(({ system }) => String(system.metadata.data))).toEqual(['b', 'c', 'd'])
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

test('sends that wait for room along a redirect are no dead letters', async () => {
  const rt = open()
  const gate = deferred()
  const [first, last] = [1, 2].map(() => rt.spawnBounded(() => gate.promise, 1, 1))
  rt.setOverflowPolicy(first, 'redirect', last)
  for (const pid of [first, last]) rt.send(pid, 'in hand')
  await eventually(() => rt.mailboxSize(first) + rt.mailboxSize(last) === 0, 'the handlers to begin')
  for (const pid of [first, last]) expect(rt.send(pid, 'waits')).toBe(true)
  const other = collector(rt)
  const sent = rt.sendWhenRoom(first, 'x')
  for (let number = 0; number < 20; number++) {
    rt.send(other.pid, 'y')
    await eventually(() => other.got.length > number, 'a turn, after which the send is tried again')
  }
  expect(rt.stats().dropped.MailboxFull).toBe(0)
  gate.resolve()
  expect(await sent).toBe(true)
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

test('a policy that makes room ends the sends that wait for some, in order', async () => {
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
  rt.send(pid, '2')
  const waiting = [rt.sendWhenRoom(pid, '3', { timeout: 10 }), rt.sendWhenRoom(pid, '4', { timeout: 10 })]
  // Drains that may still be under way would try again, too.
  await turn()
  await turn()
  rt.setOverflowPolicy(pid, 'spill')
  expect(await Promise.all(waiting)).toEqual([true, true])
  expect(got).toEqual(['1'])
  gate.resolve()
  await eventually(() => got.length === 4, 'all messages')
  expect(got).toEqual(['1', '2', '3', '4'])
})
