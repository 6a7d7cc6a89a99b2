// Edges: what a runtime keeps alive, what it keeps of what it refused, and what it is independent of.
'use strict'

const { closeAll, deferred, eventually, open } = require('./helpers.js')
const { run } = require('./processes.js')

afterEach(closeAll)

test('a supervisor without children keeps the process until it is gone', async () => {
  const script = `
    const supervisor = rt.spawnSupervisor()
    const beat = setInterval(() => {
      console.log('stays')
      rt.stop(supervisor)
      clearInterval(beat)
    }, 50)
    beat.unref()
  `
  expect(await run(script)).toMatchObject({ out: 'stays\n', err: '', code: 0 })
})

test('a closed runtime keeps none of the functions it had, and none that it is offered', async () => {
  const script = `
    const kept = []
    const weak = (make) => {
      const held = new Uint8Array(1000)
      const handler = make(held)
      kept.push(new WeakRef(handler))
      return handler
    }
    const push = () => weak((held) => () => held)
    const pull = () => weak((held) => () => new Promise(() => held))
    const refused = (call) => {
      try {
        call()
      } catch ({ code }) {
        return code
      }
    }
    const main = async () => {
      const supervisor = rt.spawnSupervisor()
      const pid = rt.spawn(push())
      rt.spawnWithMailbox(pull())
      rt.startChild(supervisor, weak((held) => () => () => held))
      await rt.close()
      const codes = [
        () => rt.spawn(push()),
        () => rt.spawnBounded(push(), 1, 1),
        () => rt.spawnChild(pid, push()),
        () => rt.spawnWithMailbox(pull()),
        () => rt.startChild(supervisor, weak((held) => () => () => held)),
        () => rt.superviseWithFactory(pid, push()),
        () => rt.hotSwap(pid, push()),
      ].map(refused)
      console.log(codes.join(' '))
      const left = () => kept.filter((reference) => reference.deref() !== undefined).length
      for (let turns = 0; turns < 100 && left() > 0; turns++) {
        await new Promise(setImmediate)
        gc()
      }
      console.log(left(), 'of', kept.length)
    }
    main()
  `
  const { out, err } = await run(script, { args: ['--expose-gc'] })
  expect({ out, err }).toEqual({ out: `${'RuntimeClosed '.repeat(6)}NoProcess\n0 of 10\n`, err: '' })
})

test('waits keep to real time under the fake timers of a test', async () => {
  const rt = open()
  const observed = rt.spawnObservedHandler()
  const full = rt.spawnBounded(() => new Promise(() => {}), 1, 1)
  rt.setOverflowPolicy(full, 'block')
  rt.send(full, 'in hand')
  await eventually(() => rt.mailboxSize(full) === 0, 'the handler to begin')
  rt.send(full, 'waits')
  jest.useFakeTimers()
  try {
    const received = new Promise((resolve) => rt.spawnWithMailbox(async (mailbox) => resolve(await mailbox.recv(0.01))))
    const waits = [
      rt.join(observed, 0.01),
      rt.selectiveRecv(observed, () => true, 0.01),
      rt.sendWhenRoom(full, 'no room', { timeout: 0.01 }),
      received,
    ]
    expect(await Promise.all(waits)).toEqual([false, null, false, null])
  } finally {
    jest.useRealTimers()
  }
})

test('a handle is had of live actors alone', async () => {
  const rt = open()
  const pid = rt.spawn(() => 'here')
  const ref = rt.actorRef(pid)
  expect(ref).toMatchObject({ pid, isAlive: true })
  rt.stop(pid)
  expect([ref.isAlive, ref.send('x'), ref.stop()]).toEqual([false, false, false])
  await expect(ref.ask('x')).rejects.toMatchObject({ code: 'NoProcess' })
  for (const nobody of [pid, 0, -1, 1.5, NaN, Infinity, 2 ** 52 + pid]) {
    expect(() => rt.actorRef(nobody)).toThrow(expect.objectContaining({ code: 'NoProcess' }))
  }
  expect(() => rt.actorRef('1')).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
})

test.each([
  ['a pull function', 60, { finished: 0, killed: 0, unfinished: 1 }],
  ['an async handler', 0.01, { finished: 0, killed: 1, unfinished: 0 }],
])('whoever awaits the shutdown it called for: %s', async (who, seconds, expected) => {
  const rt = open()
  const told = deferred()
  const close = async () => told.resolve(await rt.shutdown(seconds))
  const pull = async (mailbox) => {
    await mailbox.recv()
    await close()
  }
  rt.send(who === 'a pull function' ? rt.spawnWithMailbox(pull) : rt.spawn(close), 'x')
  const { finished, killed, unfinished } = await told.promise
  expect({ finished, killed, unfinished: unfinished.length }).toEqual(expected)
})
