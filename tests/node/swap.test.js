// Swap: new code for actors that live on.
'use strict'

const { closeAll, eventually, open } = require('./helpers.js')

afterEach(closeAll)

test('swap_meets_every_later_message', async () => {
  const rt = open()
  const got = []
  const pid = rt.spawn((message) => {
    got.push(`old ${message}`)
    if (String(message) === '2') expect(rt.hotSwap(pid, (next) => void got.push(`new ${next}`))).toBe(2)
  })
  for (let index = 0; index < 6; index++) rt.send(pid, `${index}`)
  await eventually(() => got.length === 6, 'all messages')
  expect(got).toEqual(['old 0', 'old 1', 'old 2', 'new 3', 'new 4', 'new 5'])
  expect(rt.behaviorVersion(pid)).toBe(2)
})

test('a swap from outside meets every queued message', async () => {
  const rt = open()
  const got = []
  const pid = rt.spawn(() => void got.push('old'))
  for (let index = 0; index < 1000; index++) rt.send(pid, 'x')
  rt.hotSwap(pid, () => void got.push('new'))
  await eventually(() => got.length === 1000, 'all messages')
  expect(got.every((which) => which === 'new')).toBe(true)
})

test('messages flow through many swaps in order', async () => {
  const rt = open()
  const got = []
  const handler = () => (message) => void got.push(message.readUInt32LE(0))
  const pid = rt.spawn(handler())
  let sent = 0
  const message = Buffer.alloc(4)
  await eventually(() => {
    for (let index = 0; index < 500; index++) {
      message.writeUInt32LE(sent++)
      rt.send(pid, message)
      if (index % 50 === 0) rt.hotSwap(pid, handler())
    }
    return sent >= 50_000
  }, 'the sends')
  await eventually(() => got.length === sent, 'all messages')
  expect(got.every((number, index) => number === index)).toBe(true)
})

test('rollback_brings_back', async () => {
  const rt = open()
  const pid = rt.spawn(() => 'one')
  expect(rt.behaviorVersion(pid)).toBe(1)
  rt.hotSwap(pid, () => 'two')
  rt.hotSwap(pid, () => 'three')
  expect(rt.rollbackBehavior(pid)).toBe(2)
  expect(String(await rt.ask(pid, 'which?'))).toBe('two')
  expect(rt.rollbackBehavior(pid, 1)).toBe(1)
  expect(String(await rt.ask(pid, 'which?'))).toBe('one')
  expect(() => rt.rollbackBehavior(pid)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  expect(() => rt.rollbackBehavior(pid, 0)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  expect(() => rt.hotSwap(4711, () => {})).toThrow(expect.objectContaining({ code: 'NoProcess' }))
})

test('an async handler is swapped when its message is done', async () => {
  const rt = open()
  const got = []
  const pid = rt.spawn(async (message) => {
    if (rt.behaviorVersion(pid) === 1) rt.hotSwap(pid, async (next) => void got.push(`new ${next}`))
    await null
    got.push(`old ${message}`)
  })
  rt.sendMany(pid, ['a', 'b', 'c'])
  await eventually(() => got.length === 3, 'all messages')
  expect(got).toEqual(['old a', 'new b', 'new c'])
})

test('a pull actor is told and its new function goes on with the same mailbox', async () => {
  const rt = open()
  const got = []
  const pid = rt.spawnWithMailbox(async (mailbox) => {
    for await (const message of mailbox) {
      if (message.typeName === 'HOT_SWAP') return
      got.push(`old ${message}`)
    }
  })
  rt.send(pid, 'a')
  await eventually(() => got.length === 1, 'the first message')
  rt.hotSwap(pid, async (mailbox) => {
    for await (const message of mailbox) got.push(`new ${message}`)
  })
  rt.send(pid, 'b')
  await eventually(() => got.length === 2, 'the second message')
  expect(got).toEqual(['old a', 'new b'])
  expect(rt.behaviorVersion(pid)).toBe(2)
  expect(rt.isAlive(pid)).toBe(true)
})

test.each(['push', 'pull'])('a restart keeps the code that is in force, and makes that of its maker anew: %s', async (kind) => {
  const rt = open({ logger: null })
  const supervisor = rt.spawnSupervisor({ intensity: 100, backoff: [0, 0] })
  const handle = (name, message) => {
    if (String(message) === 'crash') throw new Error('crash')
    return name
  }
  const code = (name) => {
    if (kind === 'push') return (message) => handle(name, message)
    return async (mailbox) => {
      for await (const message of mailbox) {
        if (message.typeName === 'HOT_SWAP') return
        mailbox.reply(message, handle(name, message))
      }
    }
  }
  let makes = 0
  const pid = rt.startChild(supervisor, () => code(`made ${++makes}`), { kind })
  const crash = () => expect(rt.ask(pid, 'crash')).rejects.toMatchObject({ code: 'AskFailed' })
  const which = async () => String(await rt.ask(pid, 'which?', { timeout: 20 }))
  await crash()
  expect(await which()).toBe('made 2')
  rt.hotSwap(pid, code('swapped'))
  await crash()
  expect(await which()).toBe('swapped')
  await crash()
  expect([await which(), rt.behaviorVersion(pid), makes]).toEqual(['swapped', 2, 2])
  rt.rollbackBehavior(pid)
  expect(await which()).toBe('made 2')
  await crash()
  expect([await which(), rt.behaviorVersion(pid), makes]).toEqual(['made 3', 1, 3])
})
