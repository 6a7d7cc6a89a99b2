// Ending: crash, stop, join, children, close and shutdown.
'use strict'

const { NodeRuntime } = require('../..')
const { closeAll, collector, deferred, eventually, open, turn } = require('./helpers.js')
const { run } = require('./processes.js')

afterEach(closeAll)

test('crash_is_isolated', async () => {
  const rt = open()
  const { pid, got } = collector(rt)
  const crashing = rt.spawn((message) => {
    if (String(message) === 'crash') throw new RangeError('on purpose')
  })
  rt.sendMany(crashing, ['fine', 'crash', 'never'])
  rt.send(pid, 'x')
  expect(await rt.join(crashing, 5)).toBe(true)
  await eventually(() => got.length === 1, 'the other actor')
  expect(rt.isAlive(crashing)).toBe(false)
  expect(rt.send(crashing, 'x')).toBe(false)
  expect(rt.isAlive(pid)).toBe(true)
  expect(rt.failures).toHaveLength(1)
  expect(rt.failures[0].error.message).toBe('on purpose')
  expect(rt.stats().dropped.ActorExited).toBe(1)
})

test.each([
  ['a string', () => { throw 'text' }],
  ['undefined', () => { throw undefined }],
  ['an object that cannot be shown', () => { throw { toString() { throw new Error('no') } } }],
  ['a rejection', async () => { throw new Error('rejected') }],
  ['a rejection with null', () => Promise.reject(null)],
  ['a thenable that throws', () => ({ then() { throw new Error('then') } })],
])('a handler that throws %s ends its actor alone', async (_what, handler) => {
  const rt = open()
  const pid = rt.spawn(handler)
  rt.send(pid, 'x')
  expect(await rt.join(pid, 5)).toBe(true)
  expect(rt.stats().crashed).toBe(1)
})

test('a logger that throws hurts nobody', async () => {
  const rt = open({ logger: { error() { throw new Error('logger') } } })
  const pid = rt.spawn(() => { throw new Error('x') })
  rt.send(pid, 'x')
  expect(await rt.join(pid, 5)).toBe(true)
})

test('a storm of crashes writes few lines', async () => {
  const rt = open()
  const pids = Array.from({ length: 1000 }, () => rt.spawn(() => { throw new Error('x') }))
  for (const pid of pids) rt.send(pid, 'x')
  await Promise.all(pids.map((pid) => rt.join(pid)))
  expect(rt.stats().crashed).toBe(1000)
  expect(rt.failures.length).toBeLessThan(50)
})

test('stop_goes_first', async () => {
  const rt = open()
  let handled = 0
  const pid = rt.spawn(() => void handled++)
  for (let index = 0; index < 1_000_000; index++) rt.send(pid, 'x')
  expect(rt.stop(pid)).toBe(true)
  expect(rt.isAlive(pid)).toBe(false)
  expect(rt.send(pid, 'x')).toBe(false)
  expect(await rt.join(pid, 5)).toBe(true)
  expect(handled).toBe(0)
})

test('a stop within a batch is obeyed before the next message', async () => {
  const rt = open()
  const { pid, got } = collector(rt)
  const stopper = rt.spawn(() => void rt.stop(pid))
  rt.send(stopper, 'x')
  for (let index = 0; index < 10; index++) rt.send(pid, `${index}`)
  expect(await rt.join(pid, 5)).toBe(true)
  expect(got).toEqual([])
  const self = rt.spawn((message) => {
    got.push(String(message))
    if (String(message) === '2') rt.stop(self)
  })
  for (let index = 0; index < 10; index++) rt.send(self, `${index}`)
  expect(await rt.join(self, 5)).toBe(true)
  expect(got).toEqual(['0', '1', '2'])
})

test('signals within a batch reach those they are for, and nobody else loses or doubles a message', async () => {
  const rt = open()
  const got = new Map()
  const actors = Array.from({ length: 300 }, (_, number) => {
    const seen = []
    const pid = rt.spawn((message) => {
      seen.push(`${message.length} ${message.readUInt32LE(0)}`)
      if (number % 3 === 1) rt.stop(pid)
      if (number % 3 === 2 && seen.length === 1) rt.hotSwap(pid, (later) => seen.push(`swapped ${later.length}`))
    })
    got.set(pid, seen)
    return pid
  })
  const lengths = [16, 3_000, 100, 16]
  for (const length of lengths) {
    actors.forEach((pid, number) => {
      const message = Buffer.alloc(length)
      message.writeUInt32LE(number)
      rt.send(pid, message)
    })
  }
  const isDone = (pid, number) => got.get(pid).length >= (number % 3 === 1 ? 1 : lengths.length)
  await eventually(() => actors.every(isDone), 'the last message')
  actors.forEach((pid, number) => {
    const whole = lengths.map((length) => `${length} ${number}`)
    const swapped = [whole[0], ...lengths.slice(1).map((length) => `swapped ${length}`)]
    expect(got.get(pid)).toEqual([whole, whole.slice(0, 1), swapped][number % 3])
    expect(rt.isAlive(pid)).toBe(number % 3 !== 1)
  })
})

test('stop_of_idle_is_immediate', async () => {
  const rt = open()
  const pid = rt.spawn(() => {})
  const { actors } = rt.stats()
  expect(rt.stop(pid)).toBe(true)
  expect(rt.isAlive(pid)).toBe(false)
  expect(rt.stats().actors).toBe(actors - 1)
  expect(rt.stop(pid)).toBe(false)
  expect(rt.stop(4711)).toBe(false)
  expect(await rt.join(pid)).toBe(true)
})

test('an async handler that never ends is ended by stop', async () => {
  const rt = open()
  const pid = rt.spawn(() => new Promise(() => {}))
  rt.send(pid, 'x')
  await eventually(() => rt.mailboxSize(pid) === 0, 'the handler to begin')
  expect(rt.stop(pid)).toBe(true)
  expect(await rt.join(pid, 5)).toBe(true)
})

test('a promise that settles after its actor ended changes nothing', async () => {
  const rt = open()
  const gates = [deferred(), deferred()]
  const first = rt.spawn(() => gates[0].promise)
  rt.send(first, 'x')
  await eventually(() => rt.mailboxSize(first) === 0, 'the handler to begin')
  rt.stop(first)
  await rt.join(first)
  const begun = []
  const second = rt.spawn((message) => {
    begun.push(String(message))
    return gates[1].promise
  })
  rt.sendMany(second, ['a', 'b'])
  await eventually(() => begun.length === 1, 'the second handler to begin')
  gates[0].reject(new Error('late'))
  for (let index = 0; index < 5; index++) await turn()
  expect(begun).toEqual(['a'])
  expect(rt.isAlive(second)).toBe(true)
  gates[1].resolve()
  await eventually(() => begun.length === 2, 'the second message')
  expect(rt.failures).toEqual([])
})

test('join tells true, false and reacts to a signal', async () => {
  const rt = open()
  const pid = rt.spawn(() => {})
  expect(await rt.join(pid, 0.01)).toBe(false)
  const abort = new AbortController()
  const join = rt.join(pid, undefined, { signal: abort.signal })
  abort.abort(new Error('enough'))
  await expect(join).rejects.toThrow('enough')
  const again = rt.join(pid)
  rt.stop(pid)
  expect(await again).toBe(true)
  expect(await rt.join(4711)).toBe(true)
})

test('children_end_with_parent', async () => {
  const rt = open()
  const order = []
  const watcher = rt.spawnObservedHandler()
  const parent = rt.spawn(() => {})
  const child = rt.spawnChild(parent, () => {})
  const grandchild = rt.spawnChild(child, () => {})
  const pool = rt.spawnChildPool(parent, () => {}, 3)
  const pull = rt.spawnChildWithMailbox(parent, async (mailbox) => {
    await mailbox.recv()
    order.push('pull')
  })
  const all = [parent, child, grandchild, ...pool, pull]
  for (const pid of all) rt.monitor(pid, watcher)
  rt.stop(parent)
  await Promise.all(all.map((pid) => rt.join(pid)))
  const ended = rt.getMessages(watcher).map(({ system }) => system.targetPid)
  expect(new Set(ended)).toEqual(new Set(all))
  expect(ended.indexOf(grandchild)).toBeLessThan(ended.indexOf(child))
  expect(ended.at(-1)).toBe(parent)
  expect(order).toEqual(['pull'])
  expect(() => rt.spawnChild(parent, () => {})).toThrow(expect.objectContaining({ code: 'NoProcess' }))
})

test('pids_are_not_reused', () => {
  const rt = open()
  const seen = new Set()
  for (let index = 0; index < 10_000; index++) {
    const pid = rt.spawn(() => {})
    expect(seen.has(pid)).toBe(false)
    expect(Number.isSafeInteger(pid) && pid > 0).toBe(true)
    seen.add(pid)
    rt.stop(pid)
    expect(rt.send(pid, 'x')).toBe(false)
  }
})

test('shutdown_lets_finish', async () => {
  const rt = open()
  let handled = 0
  const pid = rt.spawn(() => void handled++)
  rt.spawn(() => {})
  for (let index = 0; index < 100_000; index++) rt.send(pid, 'x')
  const report = await rt.shutdown()
  expect(handled).toBe(100_000)
  expect(report).toEqual({ finished: 2, killed: 0, unfinished: [] })
  expect(rt.closed).toBe(true)
})

test('shutdown kills what does not finish', async () => {
  const rt = open()
  const pid = rt.spawn(() => new Promise(() => {}))
  rt.sendMany(pid, ['a', 'b'])
  const report = await rt.shutdown(0.02)
  expect(report).toEqual({ finished: 0, killed: 1, unfinished: [] })
})

test('a close leaves a shutdown under way no more time', async () => {
  const rt = open()
  const pid = rt.spawn(() => new Promise(() => {}))
  rt.sendMany(pid, ['a', 'b'])
  const shutdown = rt.shutdown(3600)
  await turn()
  await rt.close()
  expect(await shutdown).toEqual({ finished: 0, killed: 1, unfinished: [] })
})

test('a closed runtime refuses everything, and closing again is no error', async () => {
  const rt = open()
  const pid = rt.spawn(() => {})
  const join = rt.join(pid)
  await rt.close()
  await rt.close()
  expect(await join).toBe(true)
  expect(rt.send(pid, 'x')).toBe(false)
  expect(rt.isAlive(pid)).toBe(false)
  expect(() => rt.spawn(() => {})).toThrow(expect.objectContaining({ code: 'RuntimeClosed' }))
  expect(() => rt.spawnWithMailbox(async () => {})).toThrow(expect.objectContaining({ code: 'RuntimeClosed' }))
  expect(rt.stop(pid)).toBe(false)
  expect(await rt.join(pid)).toBe(true)
  expect(rt.whereis('x')).toBe(null)
})

test('a runtime closes from within a handler', async () => {
  const rt = open()
  const closed = deferred()
  const pid = rt.spawn(() => void rt.close().then(closed.resolve))
  rt.sendMany(pid, ['a', 'b'])
  await closed.promise
  expect(rt.closed).toBe(true)
})

test('actors_are_limited', async () => {
  const rt = open({ logger: null, actorsMax: 100 })
  const observed = rt.spawnObservedHandler()
  const bystander = rt.spawn((message) => message)
  const pid = rt.spawn(() => {
    for (;;) rt.spawnChild(pid, () => {})
  })
  rt.link(observed, pid)
  rt.send(pid, 'x')
  const told = await rt.selectiveRecv(observed, () => true, 10)
  expect(told).toMatchObject({ typeName: 'EXIT', reason: 'Crash', metadata: { message: expect.stringContaining('100 actors') } })
  expect(String(await rt.ask(bystander, 'x'))).toBe('x')
  await eventually(() => rt.stats().actors === 2, 'the end of the greedy actor and its children')
  for (let left = 98; left > 0; left--) rt.spawn(() => {})
  const refused = expect.objectContaining({ code: 'LimitReached' })
  expect(() => rt.spawn(() => {})).toThrow(refused)
  expect(() => rt.spawnWithMailbox(async () => {})).toThrow(refused)
  expect(() => rt.spawnVirtual(() => {})).toThrow(refused)
  for (const outside of [0, -1, 1.5, NaN, '7', 2 ** 28 + 1, 2 ** 32]) {
    expect(() => open({ actorsMax: outside })).toThrow(expect.objectContaining({ code: 'InvalidArgument' }))
  }
})

test('two runtimes side by side know nothing of each other', async () => {
  const [one, two] = [open(), open()]
  const { pid, got } = collector(one)
  one.register('name', pid)
  expect(two.whereis('name')).toBe(null)
  expect(two.isAlive(pid)).toBe(false)
  expect(two.send(pid, 'x')).toBe(false)
  await two.close()
  one.send(pid, 'y')
  await eventually(() => got.length === 1, 'the message')
})

test('Symbol.asyncDispose closes', async () => {
  const rt = new NodeRuntime()
  await rt[Symbol.asyncDispose]()
  expect(rt.closed).toBe(true)
})

test('memory of ended actors and their handlers comes back', async () => {
  const script = `
    const turn = () => new Promise(setImmediate)
    const spawnMany = async () => {
      for (let index = 0; index < 20_000; index++) {
        const closure = { index }
        rt.stop(rt.spawn(() => void closure.index))
      }
      for (let index = 0; index < 3; index++) { await turn(); gc() }
    }
    const main = async () => {
      for (let round = 0; round < 5; round++) await spawnMany()
      const before = process.memoryUsage()
      for (let round = 0; round < 20; round++) await spawnMany()
      const after = process.memoryUsage()
      console.log(after.heapUsed - before.heapUsed, after.rss - before.rss, rt.stats().actors)
      await rt.close()
    }
    main()
  `
  const { out, err, code } = await run(script, { args: ['--expose-gc'] })
  expect({ err, code }).toEqual({ err: '', code: 0 })
  const [heap, rss, actors] = out.split(' ').map(Number)
  // One handler in ten kept is 5.4 MB of heap; one actor in ten kept is 13 MB or more in all, where the honest figure is up to 7.
  expect(heap).toBeLessThan(1e6)
  expect(rss).toBeLessThan(13e6)
  expect(actors).toBe(0)
})
