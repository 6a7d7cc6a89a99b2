// Context: AsyncLocalStorage of a sender is not seen by actors that happen to run after it.
'use strict'

const { AsyncLocalStorage } = require('node:async_hooks')

const { closeAll, eventually, open, turn } = require('./helpers.js')

afterEach(closeAll)

test('a handler does not see the store of whoever sent', async () => {
  const rt = open()
  const storage = new AsyncLocalStorage()
  const seen = []
  const pid = rt.spawn(() => void seen.push(storage.getStore()))
  storage.run('request 1', () => rt.send(pid, 'x'))
  await eventually(() => seen.length === 1, 'the first message')
  storage.run('request 2', () => setImmediate(() => rt.send(pid, 'x')))
  await eventually(() => seen.length === 2, 'the second message')
  expect(seen).toEqual([undefined, undefined])
})

test('who asks finds its own store after the answer', async () => {
  const rt = open()
  const storage = new AsyncLocalStorage()
  const pid = rt.spawn(async () => {
    await turn()
    return 'answer'
  })
  const ask = async () => {
    await rt.ask(pid, 'q')
    return storage.getStore()
  }
  const stores = await Promise.all([storage.run('one', ask), storage.run('two', ask)])
  expect(stores).toEqual(['one', 'two'])
})
