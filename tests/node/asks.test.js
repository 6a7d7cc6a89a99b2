// Asks: questions and their answers, deadlines, and targets that fail.
'use strict'

const { closeAll, deferred, eventually, open } = require('./helpers.js')

afterEach(closeAll)

test.each([
  ['a string', 'answer', 'answer'],
  ['a Buffer', Buffer.from('answer'), 'answer'],
  ['nothing', undefined, ''],
  ['null', null, ''],
])('a handler answers with %s', async (_what, value, answer) => {
  const rt = open()
  expect(String(await rt.ask(rt.spawn(() => value), 'q'))).toBe(answer)
  expect(String(await rt.ask(rt.spawn(async () => value), 'q'))).toBe(answer)
})

test('a value that is no bytes fails the ask and not the actor', async () => {
  const rt = open()
  for (const pid of [rt.spawn(() => 7), rt.spawn(async () => ({ a: 1 }))]) {
    await expect(rt.ask(pid, 'q')).rejects.toMatchObject({ code: 'AskFailed', message: /number|object/ })
    expect(rt.isAlive(pid)).toBe(true)
    expect(rt.send(pid, 'plain')).toBe(true)
  }
})

test('ask_is_answered', async () => {
  const rt = open()
  const pid = rt.spawn((message) => `re ${message}`)
  const asks = Array.from({ length: 5000 }, (_, number) => rt.ask(pid, `${number}`))
  const answers = await Promise.all(asks)
  answers.forEach((answer, number) => expect(String(answer)).toBe(`re ${number}`))
})

test('an ask that nobody waits for is delivered', async () => {
  const rt = open()
  const heard = []
  const pid = rt.spawn((message) => void heard.push(`${message}`))
  for (let number = 0; number < 100; number++) rt.ask(pid, `${number}`)
  await eventually(() => heard.length === 100, 'every message')
  expect(heard).toEqual(Array.from({ length: 100 }, (_, number) => `${number}`))
})

test('an ask to nobody is refused', async () => {
  const rt = open()
  await expect(rt.ask(4711, 'q')).rejects.toMatchObject({ code: 'NoProcess' })
  await expect(rt.ask(4711, 'q')).rejects.toBeInstanceOf(require('../..').IrisError)
})

test('ask_expired_is_not_executed', async () => {
  const rt = open()
  const gate = deferred()
  const handled = []
  const pid = rt.spawn((message) => {
    handled.push(String(message))
    return gate.promise
  })
  rt.send(pid, 'first')
  await expect(rt.ask(pid, 'late', { timeout: 0.02 })).rejects.toMatchObject({ code: 'AskTimeout' })
  rt.send(pid, 'last')
  gate.resolve()
  await eventually(() => handled.includes('last'), 'the last message')
  expect(handled).toEqual(['first', 'last'])
})

test('ask_of_dying_fails', async () => {
  const rt = open()
  const never = deferred()
  const throwing = rt.spawn(() => {
    throw new TypeError('no idea')
  })
  await expect(rt.ask(throwing, 'q')).rejects.toMatchObject({ code: 'AskFailed', message: /TypeError: no idea/ })
  const rejecting = rt.spawn(async () => {
    throw new RangeError('too far')
  })
  await expect(rt.ask(rejecting, 'q')).rejects.toMatchObject({ code: 'AskFailed', message: /RangeError: too far/ })
  const waiting = rt.spawn(() => never.promise)
  const ask = rt.ask(waiting, 'q', { timeout: null })
  const queued = rt.ask(waiting, 'q', { timeout: Infinity })
  await eventually(() => rt.mailboxSize(waiting) === 1, 'the handler to wait')
  rt.stop(waiting)
  await expect(ask).rejects.toMatchObject({ code: 'AskFailed' })
  await expect(queued).rejects.toMatchObject({ code: 'AskFailed' })
})

test('ask_times_out', async () => {
  const rt = open()
  const pid = rt.spawn(() => new Promise(() => {}))
  const before = performance.now()
  await expect(rt.ask(pid, 'q', { timeout: 0.05 })).rejects.toMatchObject({ code: 'AskTimeout' })
  expect(performance.now() - before).toBeGreaterThan(45)
})

test('an ask is given up by its signal', async () => {
  const rt = open()
  const never = deferred()
  const pid = rt.spawn(() => never.promise)
  const abort = new AbortController()
  const ask = rt.ask(pid, 'q', { signal: abort.signal, timeout: null })
  abort.abort(new Error('changed my mind'))
  await expect(ask).rejects.toThrow('changed my mind')
  await expect(rt.ask(pid, 'q', { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
  never.resolve()
})

test('an actor asks another while it handles a message', async () => {
  const rt = open()
  const inner = rt.spawn((message) => `inner ${message}`)
  const outer = rt.spawn(async (message) => `outer ${await rt.ask(inner, message)}`)
  expect(String(await rt.ask(outer, 'x'))).toBe('outer inner x')
})

test('sequential asks leave timers and sockets their turn', async () => {
  const rt = open()
  const pid = rt.spawn(() => 'x')
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  const deadline = performance.now() + 10_000
  while (ticks <= 5 && performance.now() < deadline) await rt.ask(pid, 'q')
  clearInterval(timer)
  expect(ticks).toBeGreaterThan(5)
})

test('bad arguments reject', async () => {
  const rt = open()
  const pid = rt.spawn(() => 'x')
  await expect(rt.ask(pid, 7)).rejects.toMatchObject({ code: 'InvalidArgument' })
  await expect(rt.ask('pid', 'q')).rejects.toMatchObject({ code: 'InvalidArgument' })
  await expect(rt.ask(pid, 'q', { timeout: -1 })).rejects.toMatchObject({ code: 'InvalidArgument' })
  await expect(rt.ask(pid, 'q', { signal: 7 })).rejects.toMatchObject({ code: 'InvalidArgument' })
})

test('asks under way at the close fail', async () => {
  const rt = open()
  const pid = rt.spawn(() => new Promise(() => {}))
  const ask = rt.ask(pid, 'q', { timeout: null })
  ask.catch(() => {})
  await rt.close()
  await expect(ask).rejects.toMatchObject({ code: 'AskFailed' })
  await expect(rt.ask(pid, 'q')).rejects.toMatchObject({ code: 'RuntimeClosed' })
})
