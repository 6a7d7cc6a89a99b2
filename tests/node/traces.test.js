// Traces: what the reference did is played on the runtime, step by step; the suites of Rust and Python play the same traces.
'use strict'

const { readFileSync } = require('node:fs')
const path = require('node:path')

const { IrisError, SystemMessage } = require('../..')
const { closeAll, deferred, eventually, open } = require('./helpers.js')

afterEach(closeAll)

const TRACES = process.env.IRIS_TRACES || path.join(__dirname, '..', 'traces.jsonl')
const DEADLINE_S = 10
const NAMES = ['one', 'two', '/three']
const COUNTS = ['sent', 'handled', 'crashed', 'restarted', 'NoProcess', 'MailboxFull', 'DroppedOldest', 'ActorExited']

/** A handler that answers with its name. */
function answers(code) {
  return (message) => {
    if (String(message) === 'crash') throw new Error('on purpose')
    return code
  }
}

/** A runtime on which one trace is played, and what it must look like. */
class Player {
  constructor() {
    this.rt = open({ logger: null })
    /** The actors by their numbers, and their numbers by their pids. */
    this.pids = []
    this.numbers = new Map()
    this.gates = new Map()
    /** What pull actors heard, by their pids, and the swaps that are to come into force. */
    this.heard = new Map()
    this.swapped = new Map()
    this.monitors = []
    this.timers = []
    /** What factories made, by the number of whom it replaces. */
    this.made = new Map()
    const every = (keys, value) => Object.fromEntries(keys.map((key) => [key, value]))
    this.expected = { actors: {}, names: every(NAMES, null), counts: every(COUNTS, 0) }
  }

  /** Plays one step; fails unless it gives and leaves what it did to the reference. */
  async play({ call: [name, ...args], gives, replaced = [], then }) {
    const gave = await this.outcome(() => this.calls[name](...args, gives))
    const wrong = differences({ gives: inOrder(gives) }, { gives: inOrder(gave) })
    if (wrong.length > 0) throw new Error(wrong.join('; '))
    for (const number of replaced) await this.takeOver(number)
    for (const [number, changed] of Object.entries(then.actors ?? {})) {
      // One that is not alive any more may still be telling others.
      if (changed === null) expect(await this.rt.join(this.pids[number], DEADLINE_S)).toBe(true)
    }
    merge(this.expected, then)
    let left
    const same = () => {
      left = differences(this.expected, this.seen())
      return left.length === 0
    }
    await eventually(same, 'both to be the same').catch((error) => {
      throw new Error([error.message, ...left].join('; '), { cause: error })
    })
  }

  /** Leaves what a factory made in the place of an actor to itself: a second restart would wait for a while. */
  async takeOver(number) {
    const pid = await eventually(() => this.made.get(number), `a factory to be called for ${number}`)
    await eventually(() => this.rt.unsupervise(pid), 'what it made to be supervised')
    this.added(pid)
  }

  /** What a call gives, or the kind of its error. */
  async outcome(call) {
    try {
      return (await call()) ?? 'ok'
    } catch (error) {
      if (error instanceof IrisError) return error.code
      throw error
    }
  }

  async close() {
    for (const gate of this.gates.values()) gate.resolve()
    await this.rt.close()
  }

  /** What a pull actor runs. A swap is heard of when the new function begins: one before that would be one with it. */
  function(code) {
    return async (mailbox) => {
      const { pid } = mailbox
      if (this.swapped.has(pid)) this.heard.get(pid).push(this.swapped.get(pid))
      this.swapped.delete(pid)
      for await (const message of mailbox) {
        if (message.typeName === 'HOT_SWAP') return void this.swapped.set(pid, message)
        if (message instanceof SystemMessage) this.heard.get(pid).push(message)
        else if (String(message) === 'crash') throw new Error('on purpose')
        else mailbox.reply(message, code)
        if (String(message) === 'return') return
      }
    }
  }

  pull(pid) {
    this.heard.set(pid, [])
    return this.added(pid)
  }

  /** What a step may call. */
  calls = {
    spawn: (kind, parent) => {
      const code = answers('first')
      if (kind === 'pull') {
        const pull = this.function('first')
        return this.pull(parent === null ? this.rt.spawnWithMailbox(pull) : this.rt.spawnChildWithMailbox(this.pids[parent], pull))
      }
      if (parent !== null) return this.added(this.rt.spawnChild(this.pids[parent], code))
      const spawners = {
        push: () => this.rt.spawn(code),
        observed: () => this.rt.spawnObservedHandler(),
        virtual: () => this.rt.spawnVirtual(code),
        retiring: () => this.rt.spawnVirtual(code, 100, 1),
      }
      return this.added(spawners[kind]())
    },

    bounded: (capacity, policy, target) => {
      const gate = deferred()
      const pid = this.rt.spawnBounded(() => gate.promise, 10, capacity)
      this.rt.setOverflowPolicy(pid, policy, target === null ? undefined : this.pids[target])
      this.gates.set(pid, gate)
      return this.added(pid)
    },

    policy: (number, policy, target) => {
      this.rt.setOverflowPolicy(this.pids[number], policy, target === null ? undefined : this.pids[target])
    },

    supervisor: (strategy, above) => {
      const supervisor = above === null ? undefined : this.pids[above]
      return this.added(this.rt.spawnSupervisor({ strategy, supervisor, intensity: 10 ** 6, period: 1, backoff: [0, 0] }))
    },

    child: (supervisor, restart, kind) => {
      const make = () => (kind === 'pull' ? this.function('first') : answers('first'))
      const pid = this.rt.startChild(this.pids[supervisor], make, { restart, kind })
      return kind === 'pull' ? this.pull(pid) : this.added(pid)
    },

    send: (number, text) => this.rt.send(this.pids[number], text),
    ask: async (number) => String(await this.rt.ask(this.pids[number], 'question')),
    release: (number) => this.gates.get(this.pids[number]).resolve(),
    timer: (number, delay) => this.timers.push(this.rt.sendAfter(this.pids[number], delay, 'm')) - 1,
    cancel: (number) => this.rt.cancelTimer(this.timers[number]),
    read: (number, kept) => this.read(this.pids[number], kept),
    link: (one, other) => this.rt.link(this.pids[one], this.pids[other]),
    unlink: (one, other) => this.rt.unlink(this.pids[one], this.pids[other]),
    monitor: (target, watcher) => this.monitors.push(this.rt.monitor(this.pids[target], this.pids[watcher])) - 1,
    demonitor: (number) => this.rt.demonitor(this.monitors[number]),

    register: (name, number) => {
      if (name.startsWith('/')) this.rt.registerPath(name, this.pids[number])
      else this.rt.register(name, this.pids[number])
    },

    unregister: (name) => (name.startsWith('/') ? this.rt.unregisterPath(name) : this.rt.unregister(name)),
    swap: (number, code) => {
      const pid = this.pids[number]
      return this.rt.hotSwap(pid, this.heard.has(pid) ? this.function(code) : answers(code))
    },

    roll_back: (number, steps) => this.rt.rollbackBehavior(this.pids[number], steps),

    factory: (number, strategy) => {
      const make = () => {
        this.made.set(number, this.rt.spawn(answers('first')))
        return this.made.get(number)
      }
      this.rt.superviseWithFactory(this.pids[number], make, strategy)
    },

    unsupervise: (number) => this.rt.unsupervise(this.pids[number]),
    stop: (number) => this.rt.stop(this.pids[number]),
  }

  added(pid) {
    this.numbers.set(pid, this.pids.length)
    return this.pids.push(pid) - 1
  }

  /** Takes what an observed actor keeps; what it is told of another one's end may come a moment later. */
  async read(pid, kept) {
    const got = []
    const more = () => {
      for (const { data, system } of this.rt.getMessages(pid)) {
        got.push(system ? this.notice(system) : String(data))
      }
      return got.length >= kept.length
    }
    await eventually(more, JSON.stringify(kept)).catch((error) => {
      throw new Error(`${error.message}; it got ${JSON.stringify(got)}`, { cause: error })
    })
    return got
  }

  notice({ typeName, targetPid, reason }) {
    return [typeName, this.number(targetPid), reason ?? '']
  }

  number(pid) {
    return pid === null ? null : (this.numbers.get(pid) ?? `pid ${pid}`)
  }

  seen() {
    const { dropped, ...stats } = this.rt.stats()
    const whereis = (name) => (name.startsWith('/') ? this.rt.whereisPath(name) : this.rt.whereis(name))
    return {
      actors: Object.fromEntries(this.pids.map((pid, number) => [number, this.view(pid)])),
      names: Object.fromEntries(NAMES.map((name) => [name, this.number(whereis(name))])),
      counts: Object.fromEntries(COUNTS.map((name) => [name, stats[name] ?? dropped[name]])),
    }
  }

  view(pid) {
    const info = this.rt.actorInfo(pid)
    if (!info || !this.rt.isAlive(pid)) return info
    const numbers = (pids) => pids.map((other) => this.number(other))
    const sorted = (pids) => numbers(pids).sort((one, other) => one - other)
    return {
      version: info.version,
      restarts: info.restarts,
      waiting: info.mailboxSize,
      above: this.number(info.parent),
      supervised: info.supervisor !== null,
      below: numbers(info.children),
      links: sorted(info.links),
      watchers: sorted(info.monitoredBy),
      ...(this.heard.has(pid) && { heard: inOrder(this.heard.get(pid).map((told) => this.notice(told))) }),
    }
  }
}

/** A list sorted by its text; anything else as it is. */
function inOrder(value) {
  if (!Array.isArray(value)) return value
  return value.map((item) => JSON.stringify(item)).sort().map((item) => JSON.parse(item))
}

const isParts = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Changes a state; what is given as a part of a part changes that alone. */
function merge(state, changes) {
  for (const [key, value] of Object.entries(changes)) {
    if (isParts(value) && isParts(state[key])) merge(state[key], value)
    else state[key] = value
  }
}

/** The parts that are not as they must be, in words. */
function differences(expected, seen, at = []) {
  if (JSON.stringify(expected) === JSON.stringify(seen)) return []
  if (!isParts(expected) || !isParts(seen)) return [`${at.join('.')} is ${JSON.stringify(seen)}, not ${JSON.stringify(expected)}`]
  const keys = new Set([...Object.keys(expected), ...Object.keys(seen)])
  return [...keys].flatMap((key) => differences(expected[key], seen[key], [...at, key]))
}

test('every_trace_of_the_reference_is_played', async () => {
  const traces = readFileSync(TRACES, 'utf8').split('\n').filter(Boolean)
  expect(traces).not.toEqual([])
  for (const [trace, line] of traces.entries()) {
    const player = new Player()
    try {
      for (const [number, step] of JSON.parse(line).entries()) {
        await player.play(step).catch((cause) => {
          throw new Error(`trace ${trace}, step ${number}, ${JSON.stringify(step.call)}: ${cause.message}`, { cause })
        })
      }
    } finally {
      await player.close()
    }
  }
}, 3_600_000)
