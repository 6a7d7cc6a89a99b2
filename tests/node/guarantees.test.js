// Guarantees: what holds whatever the load: nothing lost, doubled or reordered, nobody starved, memory returned.
'use strict'

const fc = require('fast-check')

const { closeAll, eventually, open, turn } = require('./helpers.js')

afterEach(closeAll)

/** A message that tells its sender and its place in what that sender sent. */
function numbered(sender, number, size) {
  const message = Buffer.alloc(8 + size)
  message.writeUInt32LE(sender)
  message.writeUInt32LE(number, 4)
  return message
}

test('senders_lose_nothing', async () => {
  const step = fc.record({
    sender: fc.nat(3),
    count: fc.integer({ min: 1, max: 40 }),
    size: fc.constantFrom(0, 10, 40, 3000),
    then: fc.constantFrom('nothing', 'swap', 'turn', 'async'),
  })
  const property = fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 7 }), async (steps, budget) => {
    const rt = open()
    const got = [[], [], [], []]
    const note = (message) => void got[message.readUInt32LE()].push(message.readUInt32LE(4))
    const pid = rt.spawn(note, budget)
    const sent = [0, 0, 0, 0]
    for (const { sender, count, size, then } of steps) {
      for (let index = 0; index < count; index++) rt.send(pid, numbered(sender, sent[sender]++, size))
      if (then === 'swap') rt.hotSwap(pid, (message) => note(message))
      if (then === 'async') rt.hotSwap(pid, async (message) => note(message))
      if (then === 'turn') await turn()
    }
    await eventually(() => got.every((numbers, sender) => numbers.length === sent[sender]), 'all messages')
    got.forEach((numbers) => expect(numbers.every((number, index) => number === index)).toBe(true))
    await rt.close()
  })
  await fc.assert(property, { numRuns: 40 })
})

test('what is passed over by a crash or a promise leaves the others their bytes', async () => {
  const rt = open()
  const got = []
  const bytes = (number) => Buffer.alloc(1 + ((number * 977) % 5000), number % 251)
  for (let round = 0; round < 30; round++) {
    const crashing = rt.spawn(() => {
      throw new Error('on purpose')
    })
    const waiting = rt.spawn(async () => {})
    const plain = rt.spawn((message) => void got.push(message.every((byte) => byte === message[0])))
    for (let number = 0; number < 60; number++) {
      for (const pid of [crashing, waiting, plain]) rt.send(pid, bytes(number))
    }
  }
  await eventually(() => got.length === 1800 && rt.stats().queued === 0, 'all messages')
  expect(got.every((whole) => whole === true)).toBe(true)
})

test('a queue survives restarts in place in order', async () => {
  const rt = open()
  const supervisor = rt.spawnSupervisor({ intensity: 1000, period: 60, backoff: [0, 0] })
  const got = []
  const pid = rt.startChild(supervisor, () => (message) => {
    got.push(message.readUInt32LE(4))
    if (got.length % 100 === 0) throw new Error('on purpose')
  })
  for (let number = 0; number < 2000; number++) rt.send(pid, numbered(0, number, 0))
  await eventually(() => got.length === 2000, 'all messages')
  expect(got.every((number, index) => number === index)).toBe(true)
})

test('fairness_under_flood', async () => {
  const rt = open()
  let flooded = 0
  const flood = rt.spawn(() => void flooded++)
  const others = 1000
  const delays = []
  const pids = Array.from({ length: others }, () =>
    rt.spawn((message) => void delays.push(performance.now() - message.readDoubleLE())),
  )
  for (let index = 0; index < 1_000_000; index++) rt.send(flood, 'x')
  const now = Buffer.alloc(8)
  const round = () => {
    for (const pid of pids) {
      now.writeDoubleLE(performance.now())
      rt.send(pid, now)
    }
  }
  const timer = setInterval(round, 10)
  await eventually(() => flooded === 1_000_000 && delays.length > others, 'the flood')
  clearInterval(timer)
  const sorted = delays.sort((one, other) => one - other)
  expect(sorted[Math.floor(sorted.length * 0.99)]).toBeLessThan(50)
})

test('an actor that is slow leaves the event loop its turn', async () => {
  const rt = open()
  let handled = 0
  const pid = rt.spawn(() => {
    handled++
    const until = performance.now() + 2
    while (performance.now() < until);
  })
  for (let index = 0; index < 100; index++) rt.send(pid, 'x')
  await turn()
  await turn()
  await turn()
  expect(handled).toBeGreaterThan(0)
  expect(handled).toBeLessThan(30)
  await eventually(() => handled === 100, 'all messages')
})

test('messages that passed leave no memory behind', async () => {
  const rt = open()
  let handled = 0
  const pid = rt.spawn(() => void handled++)
  const pass = async (count) => {
    const target = handled + count
    for (let left = count; left > 0; left -= 10_000) {
      for (let index = 0; index < 10_000; index++) rt.send(pid, 'sixteen bytes ..')
      const expected = target - left + 10_000
      await eventually(() => handled === expected, 'the messages')
    }
  }
  await pass(500_000)
  const before = process.memoryUsage().rss
  await pass(2_000_000)
  expect(process.memoryUsage().rss - before).toBeLessThan(60e6)
})
