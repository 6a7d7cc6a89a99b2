// Messaging: what is sent arrives, in order, as a Buffer of the receiver's own.
'use strict'

const { IrisError } = require('../..')
const { closeAll, collector, deferred, eventually, open, turn } = require('./helpers.js')

afterEach(closeAll)

test('order_is_kept', async () => {
  const rt = open()
  const got = []
  const pid = rt.spawn((message) => void got.push(message.readUInt32LE(0)))
  const count = 100_000
  for (let number = 0; number < count; number++) {
    const message = Buffer.alloc(4)
    message.writeUInt32LE(number)
    rt.send(pid, message)
  }
  await eventually(() => got.length === count, 'all messages')
  expect(got.every((number, index) => number === index)).toBe(true)
})

test('a handler is not called before send returns', async () => {
  const rt = open()
  const { pid, got } = collector(rt)
  rt.send(pid, 'a')
  expect(got).toEqual([])
  await eventually(() => got.length === 1, 'the message')
})

test.each([
  ['a Buffer', Buffer.from('text')],
  ['a Uint8Array', new Uint8Array([116, 101, 120, 116])],
  ['a view in the middle', new Uint8Array(Buffer.from('..text..')).subarray(2, 6)],
  ['a Uint16Array', new Uint16Array([0x6574, 0x7478])],
  ['a DataView', new DataView(new Uint8Array([116, 101, 120, 116]).buffer)],
  ['an ArrayBuffer', new Uint8Array([116, 101, 120, 116]).buffer],
  ['a string', 'text'],
])('%s is sent as its bytes', async (_what, data) => {
  const rt = open()
  const { pid, got } = collector(rt)
  expect(rt.send(pid, data)).toBe(true)
  await eventually(() => got.length === 1, 'the message')
  expect(got).toEqual(['text'])
})

test.each([[undefined], [null], [7], [{}], [[1, 2]], [Symbol('s')], [() => 1]])('%p is no message', (data) => {
  const rt = open()
  const { pid } = collector(rt)
  expect(() => rt.send(pid, data)).toThrow(IrisError)
  expect(() => rt.send(pid, data)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
})

test('a message is a Buffer like any other', async () => {
  const rt = open()
  const got = []
  const pid = rt.spawn((message) => void got.push(message))
  rt.send(pid, 'text')
  await eventually(() => got.length === 1, 'the message')
  expect(Buffer.isBuffer(got[0])).toBe(true)
  expect(Object.getPrototypeOf(got[0])).toBe(Buffer.prototype)
  expect(got[0]).toEqual(Buffer.from('text'))
})

test.each([[0], [1], [38], [39], [2047], [2048], [2049], [16_384], [100_000], [5_000_000]])(
  'a message of %i bytes arrives whole',
  async (size) => {
    const rt = open()
    const data = Buffer.alloc(size, 'pattern of some length')
    const got = []
    const pid = rt.spawn((message) => void got.push(message))
    for (let index = 0; index < 3; index++) rt.send(pid, data)
    await eventually(() => got.length === 3, 'the messages')
    for (const message of got) expect(message.equals(data)).toBe(true)
  },
)

test('the sender may change its buffer after send', async () => {
  const rt = open()
  const { pid, got } = collector(rt)
  const data = Buffer.from('before')
  rt.send(pid, data)
  data.write('after!')
  await eventually(() => got.length === 1, 'the message')
  expect(got).toEqual(['before'])
})

test('messages that are kept stay as they were', async () => {
  const rt = open()
  const kept = []
  const pid = rt.spawn((message) => void kept.push(message))
  const count = 20_000
  for (let number = 0; number < count; number++) rt.send(pid, `message ${number} `.repeat(1 + (number % 20)))
  await eventually(() => kept.length === count, 'all messages')
  const wrong = kept.filter((message, number) => String(message) !== `message ${number} `.repeat(1 + (number % 20)))
  expect(wrong).toEqual([])
})

test('changing one message changes no other', async () => {
  const rt = open()
  const got = []
  const pid = rt.spawn((message) => {
    got.push(String(message))
    message.fill(0)
  })
  for (let number = 0; number < 100; number++) rt.send(pid, `m${number}`)
  await eventually(() => got.length === 100, 'all messages')
  expect(got).toEqual(Array.from({ length: 100 }, (_, number) => `m${number}`))
})

test('a send to nobody is refused', () => {
  const rt = open()
  for (const pid of [0, -1, 1.5, 2 ** 53, NaN, 12_345]) expect(rt.send(pid, 'x')).toBe(false)
})

test('sendMany sends all, sendNamed to who has the name', async () => {
  const rt = open()
  const { pid, got } = collector(rt)
  expect(rt.sendMany(pid, ['a', Buffer.from('b'), 'c'])).toBe(3)
  rt.register('collector', pid)
  expect(rt.sendNamed('collector', 'd')).toBe(true)
  expect(rt.sendNamed('nobody', 'e')).toBe(false)
  await eventually(() => got.length === 4, 'the messages')
  expect(got).toEqual(['a', 'b', 'c', 'd'])
})

test('mailboxSize counts what was not begun, null for nobody', async () => {
  const rt = open()
  const sizes = []
  const pid = rt.spawn(() => void sizes.push(rt.mailboxSize(pid)))
  for (let index = 0; index < 3; index++) rt.send(pid, 'x')
  expect(rt.mailboxSize(pid)).toBe(3)
  await eventually(() => sizes.length === 3, 'the messages')
  expect(sizes).toEqual([2, 1, 0])
  expect(rt.mailboxSize(99)).toBe(null)
})

test('an async handler has one message in hand, in order', async () => {
  const rt = open()
  const log = []
  const pid = rt.spawn(async (message) => {
    log.push(`${message} begins`)
    await turn()
    log.push(`${message} ends`)
  })
  for (const name of ['a', 'b', 'c']) rt.send(pid, name)
  await eventually(() => log.length === 6, 'all messages')
  expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

test('an async handler that waits holds up nobody else', async () => {
  const rt = open()
  const gate = deferred()
  const waiting = rt.spawn(() => gate.promise)
  const { pid, got } = collector(rt)
  for (let index = 0; index < 10; index++) {
    rt.send(waiting, 'x')
    rt.send(pid, `${index}`)
  }
  await eventually(() => got.length === 10, 'the other actor')
  expect(rt.mailboxSize(waiting)).toBe(9)
  gate.resolve()
  await eventually(() => rt.mailboxSize(waiting) === 0, 'the waiting actor')
})

test('actors send to each other and spawn each other', async () => {
  const rt = open()
  const done = deferred()
  const pid = rt.spawn((message) => {
    const left = Number(message)
    if (left === 0) return done.resolve('reached')
    const next = rt.spawn((text) => void rt.send(pid, text))
    rt.send(next, `${left - 1}`)
    return undefined
  })
  rt.send(pid, '1000')
  await expect(done.promise).resolves.toBe('reached')
})

test('currentPid is the actor that runs', async () => {
  const rt = open()
  expect(rt.currentPid()).toBe(null)
  const answer = await rt.ask(
    rt.spawn(() => `${rt.currentPid()}`),
    'who are you?',
  )
  expect(rt.isAlive(Number(answer))).toBe(true)
})

test('counters_balance', async () => {
  const rt = open()
  const { pid } = collector(rt)
  const crashing = rt.spawn(() => {
    throw new Error('on purpose')
  })
  const dead = rt.spawn(() => {})
  rt.stop(dead)
  for (let index = 0; index < 1000; index++) {
    rt.send(pid, 'x')
    rt.send(crashing, 'x')
    rt.send(dead, 'x')
  }
  const quiet = () => {
    const { sent, handled, queued, dropped } = rt.stats()
    const all = Object.values(dropped).reduce((sum, count) => sum + count, 0)
    return queued === 0 && sent === 3000 && handled + all === sent
  }
  await eventually(quiet, 'balanced counters')
  expect(rt.stats().handled).toBe(1001)
})

test('bad_arguments_are_refused', () => {
  const rt = open()
  for (const budget of [0, -1, 1.5, NaN, '7', 2 ** 32]) {
    expect(() => rt.spawn(() => {}, budget)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  }
  for (const handler of [undefined, null, 'x', {}]) {
    expect(() => rt.spawn(handler)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  }
})

test('an actorRef sends, asks and stops', async () => {
  const rt = open()
  const ref = rt.actorRef(rt.spawn((message) => `echo ${message}`))
  expect(ref.send('x')).toBe(true)
  expect(String(await ref.ask('hello'))).toBe('echo hello')
  expect(ref.isAlive).toBe(true)
  expect(ref.stop()).toBe(true)
  expect(ref.isAlive).toBe(false)
})
