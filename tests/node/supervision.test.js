// Supervision: replacements by factories, restarts in place, supervisors of paths.
'use strict'

const { closeAll, deferred, eventually, open, turn } = require('./helpers.js')

afterEach(closeAll)

const crashOn = (word) => (message) => {
  if (String(message) === word) throw new Error(`${word} on purpose`)
  return message
}

test('factory_replaces_crashed', async () => {
  const rt = open()
  const made = []
  const make = () => {
    const pid = rt.spawn(crashOn('crash'))
    made.push(pid)
    return pid
  }
  const first = rt.spawn(crashOn('crash'))
  rt.superviseWithFactory(first, make, 'RestartOne')
  await turn()
  expect(made).toEqual([])
  rt.send(first, 'crash')
  await eventually(() => made.length === 1 && rt.childPids()[0] === made[0], 'the replacement')
  expect(String(await rt.ask(made[0], 'fine'))).toBe('fine')
  rt.stop(made[0])
  await eventually(() => made.length === 2 && rt.childPids()[0] === made[1], 'the second replacement')
  expect(rt.stats().restarted).toBe(2)
})

test('factory_is_retried', async () => {
  const rt = open()
  let attempts = 0
  const made = deferred()
  const pid = rt.spawn(crashOn('crash'))
  rt.superviseWithFactory(pid, async () => {
    attempts++
    if (attempts === 1) throw new Error('not yet')
    if (attempts === 2) return 'no pid'
    await turn()
    const replacement = rt.spawn(() => {})
    made.resolve(replacement)
    return replacement
  })
  rt.send(pid, 'crash')
  const replacement = await made.promise
  await eventually(() => rt.childPids()[0] === replacement, 'the replacement')
  expect(attempts).toBe(3)
})

test('unsupervised_stays_down', async () => {
  const rt = open()
  const pid = rt.spawn(() => {})
  rt.superviseWithFactory(pid, () => {
    throw new Error('never called')
  })
  expect(rt.childPids()).toEqual([pid])
  expect(rt.unsupervise(pid)).toBe(true)
  expect(rt.unsupervise(pid)).toBe(false)
  rt.stop(pid)
  await rt.join(pid)
  await turn()
  expect(rt.childPids()).toEqual([])
  expect(rt.failures).toEqual([])
})

test('restart_all_replaces_siblings', async () => {
  const rt = open()
  const made = { a: 0, b: 0 }
  const supervise = (name) => {
    const pid = rt.spawn(crashOn('crash'))
    const make = () => {
      made[name]++
      return rt.spawn(crashOn('crash'))
    }
    rt.superviseWithFactory(pid, make, 'restart_all')
    return pid
  }
  const [a, b] = [supervise('a'), supervise('b')]
  rt.send(a, 'crash')
  await eventually(() => made.a === 1 && made.b === 1, 'both replacements')
  expect(rt.isAlive(b)).toBe(false)
  await eventually(() => rt.childPids().every((pid) => rt.isAlive(pid)) && rt.childrenCount() === 2, 'the children')
})

test('bad factories and strategies are refused', () => {
  const rt = open()
  const pid = rt.spawn(() => {})
  const refused = expect.objectContaining({ code: 'InvalidArgument' })
  expect(() => rt.superviseWithFactory(pid, 7)).toThrow(refused)
  expect(() => rt.superviseWithFactory(pid, () => pid, 'sometimes')).toThrow(refused)
  expect(() => rt.superviseWithFactory(4711, () => pid)).toThrow(expect.objectContaining({ code: 'NoProcess' }))
  expect(() => rt.watch(4711)).toThrow(expect.objectContaining({ code: 'NoProcess' }))
})

test('restart_in_place_keeps_queue', async () => {
  const rt = open()
  const got = []
  const supervisor = rt.spawnSupervisor({ backoff: [0, 0] })
  let generation = 0
  const pid = rt.startChild(
    supervisor,
    () => {
      const mine = ++generation
      return (message) => {
        got.push(`${mine}:${message}`)
        if (String(message) === 'crash') throw new Error('on purpose')
      }
    },
    { name: 'child', path: '/child' },
  )
  rt.sendMany(pid, ['a', 'crash', 'b', 'c'])
  await eventually(() => got.length === 4, 'all messages')
  expect(got).toEqual(['1:a', '1:crash', '2:b', '2:c'])
  expect(rt.whereis('child')).toBe(pid)
  expect(rt.whereisPath('/child')).toBe(pid)
  expect(rt.childPids(supervisor)).toEqual([pid])
  expect(rt.actorInfo(pid)).toMatchObject({ restarts: 1, supervisor })
})

test('a pull actor is restarted in place', async () => {
  const rt = open()
  const got = []
  const supervisor = rt.spawnSupervisor({ backoff: [0, 0] })
  let generation = 0
  const pid = rt.startChild(
    supervisor,
    () => {
      const mine = ++generation
      return async (mailbox) => {
        for await (const message of mailbox) {
          got.push(`${mine}:${message}`)
          if (String(message) === 'crash') throw new Error('on purpose')
        }
      }
    },
    { kind: 'pull' },
  )
  rt.sendMany(pid, ['a', 'crash', 'b'])
  await eventually(() => got.length === 3, 'all messages')
  expect(got).toEqual(['1:a', '1:crash', '2:b'])
  expect(rt.isAlive(pid)).toBe(true)
})

test('an async handler is restarted in place', async () => {
  const rt = open()
  const got = []
  const supervisor = rt.spawnSupervisor({ backoff: [0, 0] })
  const pid = rt.startChild(supervisor, () => async (message) => {
    await turn()
    got.push(String(message))
    if (String(message) === 'crash') throw new Error('on purpose')
  })
  rt.sendMany(pid, ['crash', 'b'])
  await eventually(() => got.length === 2, 'all messages')
  expect(rt.actorInfo(pid).restarts).toBe(1)
})

test('restart_rest_for_one', async () => {
  const rt = open()
  const made = { a: 0, b: 0, c: 0 }
  const supervisor = rt.spawnSupervisor({ strategy: 'rest_for_one', backoff: [0, 0] })
  const start = (name) =>
    rt.startChild(supervisor, () => {
      made[name]++
      return crashOn('crash')
    })
  const [, b] = ['a', 'b', 'c'].map(start)
  rt.send(b, 'crash')
  await eventually(() => made.c === 2, 'the restarts')
  expect(made).toEqual({ a: 1, b: 2, c: 2 })
})

test('intensity_ends_supervisor', async () => {
  const rt = open()
  const supervisor = rt.spawnSupervisor({ intensity: 2, period: 60, backoff: [0, 0] })
  const pid = rt.startChild(supervisor, () => crashOn('crash'))
  const sibling = rt.startChild(supervisor, () => () => {})
  for (let index = 0; index < 3; index++) rt.send(pid, 'crash')
  expect(await rt.join(supervisor, 5)).toBe(true)
  expect(await rt.join(pid, 5)).toBe(true)
  expect(await rt.join(sibling, 5)).toBe(true)
  await eventually(() => rt.failures.length === 4, 'what is logged')
  expect(rt.failures[3].message).toContain(`supervisor ${supervisor} gave up: child ${pid} made it more than 2 restarts`)
})

test('the supervisor of the runtime lets a child go, and says so', async () => {
  const rt = open()
  let made = 0
  const make = () => {
    made++
    return rt.spawn(crashOn('crash'))
  }
  const pids = Array.from({ length: 150 }, () => rt.spawn(crashOn('crash')))
  for (const pid of pids) rt.superviseWithFactory(pid, make)
  for (const pid of pids) rt.stop(pid)
  await eventually(() => rt.childrenCount() === made && made === 100, 'the end of the restarts')
  expect(rt.failures[0].message).toContain(`supervisor ${rt.rootSupervisor()} gave up: child`)
})

test('a maker that fails counts as a failure', async () => {
  const rt = open()
  const supervisor = rt.spawnSupervisor({ intensity: 2, period: 60, backoff: [0, 0] })
  let made = 0
  const pid = rt.startChild(supervisor, () => {
    if (++made > 1) throw new Error('cannot make another')
    return crashOn('crash')
  })
  rt.send(pid, 'crash')
  expect(await rt.join(supervisor, 5)).toBe(true)
  expect(rt.isAlive(pid)).toBe(false)
  expect(made).toBeGreaterThan(1)
})

test('temporary and transient children', async () => {
  const rt = open()
  const supervisor = rt.spawnSupervisor({ backoff: [0, 0] })
  const temporary = rt.startChild(supervisor, () => crashOn('crash'), { restart: 'temporary' })
  rt.send(temporary, 'crash')
  expect(await rt.join(temporary, 5)).toBe(true)
  const transient = rt.startChild(supervisor, () => async () => {}, { restart: 'transient', kind: 'pull' })
  expect(await rt.join(transient, 5)).toBe(true)
  expect(rt.isAlive(supervisor)).toBe(true)
})

test('nested_supervisor_heals', async () => {
  const rt = open()
  const outer = rt.spawnSupervisor({ backoff: [0, 0] })
  const inner = rt.spawnSupervisor({ supervisor: outer, intensity: 0, backoff: [0, 0] })
  const pid = rt.startChild(inner, () => crashOn('crash'))
  rt.send(pid, 'crash')
  await eventually(() => rt.isAlive(inner) && rt.actorInfo(inner).restarts === 1, 'the inner supervisor')
  expect(rt.childPids(outer)).toEqual([inner])
})

test('path_supervisor_is_its_own', async () => {
  const rt = open()
  const pid = rt.spawn(crashOn('crash'))
  const missing = expect.objectContaining({ code: 'NoSupervisor', message: expect.stringContaining('/team') })
  expect(() => rt.pathSupervisorWatch('/team', pid)).toThrow(missing)
  expect(() => rt.pathSupervisorChildren('/team')).toThrow(missing)
  expect(rt.createPathSupervisor('/team')).toBe(true)
  expect(rt.createPathSupervisor('/team')).toBe(false)
  const watched = rt.spawn(() => {})
  rt.pathSupervisorWatch('/team', watched)
  const made = []
  rt.pathSuperviseWithFactory('/team', pid, () => {
    made.push(rt.spawn(() => {}))
    return made[0]
  })
  expect(rt.pathSupervisorChildren('/team')).toEqual([watched, pid])
  expect(rt.childPids()).toEqual([])
  rt.send(pid, 'crash')
  await eventually(() => rt.pathSupervisorChildren('/team').includes(made[0]), 'the replacement')
  expect(rt.removePathSupervisor('/team')).toBe(true)
  expect(rt.removePathSupervisor('/team')).toBe(false)
  expect(rt.isAlive(watched)).toBe(true)
})

test('supervisor options are checked', () => {
  const rt = open()
  const refused = expect.objectContaining({ code: 'InvalidArgument' })
  expect(() => rt.spawnSupervisor({ strategy: 'x' })).toThrow(refused)
  expect(() => rt.spawnSupervisor({ intensity: -1 })).toThrow(refused)
  expect(() => rt.spawnSupervisor({ period: 'x' })).toThrow(refused)
  expect(() => rt.spawnSupervisor({ backoff: 1 })).toThrow(refused)
  const supervisor = rt.spawnSupervisor()
  expect(() => rt.startChild(supervisor, () => 7)).toThrow(refused)
  expect(() => rt.startChild(supervisor, () => () => {}, { restart: 'x' })).toThrow(refused)
  expect(() => rt.startChild(supervisor, () => () => {}, { kind: 'x' })).toThrow(refused)
  expect(() => rt.startChild(4711, () => () => {})).toThrow(expect.objectContaining({ code: 'NoProcess' }))
})
