// The scenarios of tests/scenarios.txt that need many senders, or a flood, on one JavaScript thread.
'use strict'

const { closeAll, eventually, open, turn } = require('./helpers.js')

afterEach(closeAll)

test('senders_lose_nothing', async () => {
  const rt = open()
  const [senders, each] = [8, 10_000]
  const got = new Map()
  let count = 0
  const pid = rt.spawn((message) => {
    const [sender, number] = [message.readUInt32LE(0), message.readUInt32LE(4)]
    if (number !== (got.get(sender) ?? 0)) throw new Error(`sender ${sender} sent ${number} after ${got.get(sender)}`)
    got.set(sender, number + 1)
    count++
  }, 7)
  // Half of the senders are actors of their own, half are tasks that take turns with everything else.
  const send = (sender, number) => {
    const message = Buffer.alloc(8)
    message.writeUInt32LE(sender, 0)
    message.writeUInt32LE(number, 4)
    if (!rt.send(pid, message)) throw new Error(`message ${number} of ${sender} was refused`)
  }
  const task = async (sender) => {
    for (let number = 0; number < each; number++) {
      send(sender, number)
      if (number % 1000 === 999) await turn()
    }
  }
  const actor = (sender) => {
    let number = 0
    const self = rt.spawn((go) => {
      for (let burst = 0; burst < 100 && number < each; burst++) send(sender, number++)
      if (number < each) rt.send(self, go)
    })
    rt.send(self, 'go')
  }
  for (let sender = 0; sender < senders; sender += 2) actor(sender)
  await Promise.all(Array.from({ length: senders / 2 }, (_, index) => task(2 * index + 1)))
  await eventually(() => count === senders * each || !rt.isAlive(pid), 'all messages')
  expect(rt.failures).toEqual([])
  expect([...got.values()]).toEqual(Array(senders).fill(each))
})

test('fairness_under_flood', async () => {
  const rt = open()
  let handled = 0
  const flooded = rt.spawn(() => void handled++)
  const others = Array.from({ length: 20 }, () => rt.spawn((message) => message))
  const flood = 300_000
  for (let index = 0; index < flood; index++) rt.send(flooded, 'x')
  // Asked after the flood, and answered before its end: the others have their turn between two of the flooded actor.
  const answers = await Promise.all(others.map((pid) => rt.ask(pid, 'mine')))
  expect(answers.map(String)).toEqual(Array(20).fill('mine'))
  expect(handled).toBeLessThan(flood)
  await eventually(() => handled === flood, 'the flood')
})
