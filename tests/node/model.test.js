// Model: the runtime and the reference are given the same calls, and are the same after each.
'use strict'

const fc = require('fast-check')

const { closeAll, deferred, eventually, open } = require('./helpers.js')
const { Reference } = require('./reference.js')

afterEach(closeAll)

/** Calls in all; `make deep` asks for 100,000. */
const STEPS = Number(process.env.IRIS_MODEL_STEPS ?? 3000)
const STEPS_A_RUN = 100
const ACTORS_MAX = 14
const NAMES = ['one', 'two', '/three']
const POLICIES = ['dropnew', 'dropold', 'block', 'redirect', 'spill']

/** The runtime's side: the actors by the index they have in the reference. */
class Real {
  constructor() {
    this.rt = open({ logger: null })
    this.supervisor = this.rt.spawnSupervisor({ intensity: 1e9, period: 1, backoff: [0, 0] })
    this.gates = new Map()
    this.monitors = []
    this.codes = 0
  }

  handler(code) {
    return (message) => {
      if (String(message) === 'crash') throw new Error('on purpose')
      return code
    }
  }

  /** The function of a pull actor: as a handler, and it returns when it is told to. */
  function() {
    return async (mailbox) => {
      for await (const message of mailbox) {
        if (String(message) === 'crash') throw new Error('on purpose')
        if (String(message) === 'end') return
        mailbox.reply(message, 'first')
      }
    }
  }

  /** A handler that keeps its message in hand while its gate is closed. */
  held(gate) {
    return () => gate.promise
  }
}

/** A call on both sides; the parts are numbers that choose among what there is. */
const CALLS = {
  spawn(model, { rt }, [kind, parent, useParent]) {
    if (model.actors.length >= ACTORS_MAX) return
    const above = useParent % 2 === 1 ? pick(model, parent) : undefined
    if (kind % 4 === 0) return void model.add(rt.spawnObservedHandler(), 'observed')
    if (kind % 4 === 1) return void model.add(rt.spawnVirtual(Real.prototype.handler('first')), 'virtual')
    if (above === undefined) return void model.add(rt.spawn(Real.prototype.handler('first')), 'push')
    const spawn = () => rt.spawnChild(above.pid, Real.prototype.handler('first'))
    if (!above.alive) return void expect(spawn).toThrow(expect.objectContaining({ code: 'NoProcess' }))
    return void model.add(spawn(), 'push', { parent: above })
  },

  spawnBounded(model, real, [capacity, policy, target]) {
    if (model.actors.length >= ACTORS_MAX) return
    const gate = deferred()
    const more = { capacity: 1 + (capacity % 3), policy: POLICIES[policy % POLICIES.length], target: pick(model, target) }
    // Long ways from mailbox to mailbox are made on purpose: the last one that is bounded.
    if (target % 2 === 0) more.target = model.actors.findLast(({ kind }) => kind === 'bounded') ?? more.target
    if (more.policy === 'redirect' && !more.target?.alive) more.policy = 'dropnew'
    const pid = real.rt.spawnBounded(real.held(gate), 10, more.capacity)
    real.rt.setOverflowPolicy(pid, more.policy, more.policy === 'redirect' ? more.target.pid : undefined)
    real.gates.set(pid, gate)
    model.add(pid, 'bounded', more)
  },

  startChild(model, { rt, supervisor }, [restart, kind]) {
    if (model.actors.length >= ACTORS_MAX) return
    const more = { restart: ['permanent', 'transient', 'temporary'][restart % 3], pull: kind % 2 === 0 }
    const { handler, function: pull } = Real.prototype
    const pid = rt.startChild(supervisor, () => (more.pull ? pull() : handler('first')), { restart: more.restart, kind: more.pull ? 'pull' : 'push' })
    model.add(pid, 'child', more)
  },

  send: onActor((model, { rt }, actor, count) => {
    for (let index = 0; index <= count % 5; index++) expect(rt.send(actor.pid, 'm')).toBe(model.send(actor, 'm'))
  }),

  crash: onActor((model, { rt }, actor) => {
    if (actor.kind === 'bounded' || actor.kind === 'observed') return
    expect(rt.send(actor.pid, 'crash')).toBe(model.send(actor, 'crash'))
  }),

  finish: onActor((model, { rt }, actor) => {
    if (actor.pull) expect(rt.send(actor.pid, 'end')).toBe(model.send(actor, 'end'))
  }),

  stop: onActor((model, { rt }, actor) => expect(rt.stop(actor.pid)).toBe(model.end(actor, 'Killed'))),

  release: onActor((model, { gates }, actor) => {
    gates.get(actor.pid)?.resolve()
    model.release(actor)
  }),

  ask: onActor(async (model, { rt }, actor) => {
    if (actor.kind === 'observed' || (actor.kind === 'bounded' && actor.alive)) return
    const taken = model.send(actor, 'question')
    const asked = rt.ask(actor.pid, 'question')
    if (taken) expect(String(await asked)).toBe(actor.code)
    else await expect(asked).rejects.toMatchObject({ code: 'NoProcess' })
  }),

  link: onActor((model, { rt }, actor, other) => {
    const target = pick(model, other)
    const call = () => rt.link(actor.pid, target.pid)
    if (actor === target) return void expect(call).toThrow(expect.objectContaining({ code: expect.any(String) }))
    if (!actor.alive || !target.alive) return void expect(call).toThrow(expect.objectContaining({ code: 'NoProcess' }))
    call()
    return void model.links.add(model.linkKey(actor, target))
  }),

  unlink: onActor((model, { rt }, actor, other) => {
    const target = pick(model, other)
    expect(rt.unlink(actor.pid, target.pid)).toBe(actor !== target && model.links.delete(model.linkKey(actor, target)))
  }),

  monitor: onActor((model, { rt, monitors }, target, other) => {
    const watcher = pick(model, other)
    if (watcher.kind !== 'observed') return
    const call = () => rt.monitor(target.pid, watcher.pid)
    if (!target.alive || !watcher.alive) return void expect(call).toThrow(expect.objectContaining({ code: 'NoProcess' }))
    monitors.push(call())
    model.monitors.push({ target, watcher, over: false })
  }),

  demonitor(model, { rt, monitors }, [which]) {
    if (monitors.length === 0) return
    const index = which % monitors.length
    const monitor = model.monitors[index]
    // What becomes of a monitor whose watcher ended nobody can see.
    if (!monitor.watcher.alive) return
    expect(rt.demonitor(monitors[index])).toBe(!monitor.over)
    monitor.over = true
  },

  register: onActor((model, { rt }, actor, which) => {
    const name = NAMES[which % NAMES.length]
    const call = () => rt.register(name, actor.pid)
    const owner = model.names.get(name)
    if (!actor.alive) return void expect(call).toThrow(expect.objectContaining({ code: 'NoProcess' }))
    if (owner !== undefined && owner !== actor) return void expect(call).toThrow(expect.objectContaining({ code: 'NameTaken' }))
    call()
    return void model.names.set(name, actor)
  }),

  unregister(model, { rt }, [which]) {
    const name = NAMES[which % NAMES.length]
    expect(rt.unregister(name)).toBe(model.names.delete(name))
  },

  swap: onActor((model, real, actor) => {
    if (actor.kind === 'bounded' || actor.kind === 'observed' || actor.pull) return
    const code = `code ${++real.codes}`
    const call = () => real.rt.hotSwap(actor.pid, real.handler(code))
    if (!actor.alive) return void expect(call).toThrow(expect.objectContaining({ code: 'NoProcess' }))
    model.swap(actor, code)
    return void expect(call()).toBe(actor.version)
  }),

  read: onActor((model, { rt }, actor) => {
    if (actor.kind !== 'observed' || !actor.alive) return
    const sorted = (items) => items.map((item) => JSON.stringify(item)).sort()
    const got = rt.getMessages(actor.pid).map(({ data, system }) => system ? [system.typeName, system.targetPid, system.reason] : String(data))
    expect(sorted(got)).toEqual(sorted(actor.kept))
    model.counts.handled += actor.kept.filter((item) => typeof item === 'string').length
    actor.kept = []
  }),
}

function pick(model, index) {
  return model.actors.length === 0 ? undefined : model.actors[index % model.actors.length]
}

/** A call on an actor that the first number chooses. */
function onActor(call) {
  return (model, real, [index, ...more]) => {
    const actor = pick(model, index)
    return actor === undefined ? undefined : call(model, real, actor, ...more)
  }
}

const inOrder = (pids) => [...pids].sort((one, other) => one - other)

/** What of the runtime must be as in the reference. */
function seen({ rt, supervisor }, model) {
  const { sent, handled, queued, crashed, restarted, dropped } = rt.stats()
  const { NoProcess, MailboxFull, DroppedOldest, ActorExited } = dropped
  return {
    counts: { sent, handled, crashed, restarted, NoProcess, MailboxFull, DroppedOldest, ActorExited },
    queued,
    balance: sent - handled - queued - NoProcess - MailboxFull - DroppedOldest - ActorExited,
    names: NAMES.map((name) => rt.whereis(name)),
    children: rt.childPids(supervisor),
    actors: model.actors.map(({ pid, kind }) => {
      if (!rt.isAlive(pid)) return [kind, rt.actorInfo(pid)]
      const info = rt.actorInfo(pid)
      const { restarts, children } = info
      const supervised = info.supervisor === supervisor
      // A child of a supervisor ends with it.
      const parent = supervised && info.parent === supervisor ? null : info.parent
      const around = { links: inOrder(info.links), monitoredBy: inOrder(info.monitoredBy), parent, children, supervised }
      return [kind, rt.behaviorVersion(pid), rt.mailboxSize(pid), restarts, around]
    }),
  }
}

function expected(model) {
  return {
    counts: { ...model.counts },
    queued: model.queued(),
    balance: 0,
    names: NAMES.map((name) => model.names.get(name)?.pid ?? null),
    children: model.supervised(),
    actors: model.actors.map((actor) => {
      const { kind, alive, version, queue, kept, restarts } = actor
      if (!alive) return [kind, null]
      const size = kind === 'observed' ? kept.filter((item) => typeof item === 'string').length : queue.length
      return [kind, version, size, restarts, model.around(actor)]
    }),
  }
}

async function play(steps) {
  const model = new Reference()
  const real = new Real()
  for (const [name, parts] of steps) {
    await CALLS[name](model, real, parts)
    model.settle()
    const want = JSON.stringify(expected(model))
    await eventually(() => JSON.stringify(seen(real, model)) === want, name).catch(() => {
      expect({ after: name, ...seen(real, model) }).toEqual({ after: name, ...expected(model) })
    })
  }
  for (const index of model.actors.keys()) CALLS.read(model, real, [index])
  for (const gate of real.gates.values()) gate.resolve()
  await real.rt.close()
}

test('any calls do to the runtime what they do to the reference', async () => {
  const part = fc.nat(ACTORS_MAX * 60)
  const step = fc.tuple(fc.constantFrom(...Object.keys(CALLS), 'spawn', 'send', 'send'), fc.tuple(part, part, part))
  const runs = Math.ceil(STEPS / STEPS_A_RUN)
  const steps = fc.array(step, { minLength: STEPS_A_RUN, maxLength: STEPS_A_RUN, size: 'max' })
  await fc.assert(fc.asyncProperty(steps, play), { numRuns: runs, endOnFailure: process.env.IRIS_MODEL_STEPS !== undefined })
}, 3_600_000)
