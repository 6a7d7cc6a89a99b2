// NodeRuntime: actors of one process on this JavaScript thread. types/runtime.d.ts documents every method.
'use strict'

const args = require('./arguments.js')
const { ActorRef } = require('./actor-ref.js')
const { buffers } = require('./buffers.js')
const { Core } = require('./core.js')
const { invalid } = require('./errors.js')
const f = require('./frame.js')
const { addMethods } = require('./groups.js')
const { isView } = require('./originals.js')
const { inspection } = require('./inspect.js')
const { core } = require('./key.js')
const { mesh } = require('./mesh.js')
const { names } = require('./names.js')
const { observed } = require('./observed.js')
const { supervision } = require('./supervision.js')
const { timers } = require('./timers.js')
const { Waiting } = require('./waiting.js')

class NodeRuntime {
  #core
  #hot
  #send
  #handlers

  constructor(options) {
    const { logger = console, actorsMax } = args.optionsOf(options)
    if (logger !== null && typeof logger?.error !== 'function') {
      throw invalid('logger must have a method error, or be null')
    }
    this.#core = new Core(logger, args.optionalCount(actorsMax, 'actorsMax'))
    this.#hot = this.#core.hot
    this.#send = this.#hot.send
    this.#handlers = this.#core.handlers
    Object.defineProperty(this, core, { value: this.#core })
  }

  // Spawning

  spawn(handler, budget) {
    args.callable(handler, 'handler')
    // Checked first: a slot that no actor gets is never free again.
    const messages = args.budgetOf(budget)
    const pid = this.#hot.spawn(this.#handlers.shared(handler), messages)
    this.#core.hold()
    return pid
  }

  /** Spawns a push actor with options; the other kinds of spawn are this with some of them. */
  #spawn(handler, choices) {
    args.callable(handler, 'handler')
    const pid = this.#core.native.spawnWith(this.#handlers.shared(handler), choices)
    this.#core.hold()
    return pid
  }

  spawnWithMailbox(handler, budget) {
    return this.#core.pulls.spawn(args.callable(handler, 'handler'), { budget: args.budgetOf(budget) })
  }

  spawnChild(parent, handler, budget) {
    return this.#spawn(handler, { parent: args.pidOf(parent, 'parent'), budget: args.budgetOf(budget) })
  }

  spawnChildWithMailbox(parent, handler, budget) {
    const choices = { parent: args.pidOf(parent, 'parent'), budget: args.budgetOf(budget) }
    return this.#core.pulls.spawn(args.callable(handler, 'handler'), choices)
  }

  spawnChildPool(parent, handler, workers, budget) {
    args.count(workers, 'workers')
    return Array.from({ length: workers }, () => this.spawnChild(parent, handler, budget))
  }

  spawnBounded(handler, budget, capacity) {
    const choices = { budget: args.budgetOf(budget), capacity: args.count(capacity, 'capacity') }
    return this.#spawn(handler, choices)
  }

  spawnVirtual(handler, budget, idleTimeoutMs) {
    const idle = idleTimeoutMs === undefined || idleTimeoutMs === null
    const choices = { budget: args.budgetOf(budget) }
    if (!idle) choices.idleTimeoutMs = args.count(idleTimeoutMs, 'idleTimeoutMs')
    return this.#spawn(handler, choices)
  }

  spawnObservedHandler(budget) {
    const pid = this.#core.native.spawnObserved(args.budgetOf(budget))
    this.#core.hold()
    return pid
  }

  spawnWithPathObserved(budget, path) {
    const pid = this.#core.native.spawnObserved(args.budgetOf(budget), args.textOf(path, 'path'))
    this.#core.hold()
    return pid
  }

  // Sending

  send(pid, data) {
    const sent = isView(data) ? this.#send(pid, data) : this.#hot.sendOther(pid, data)
    return sent === undefined || this.#sent(sent)
  }

  #sent(sent) {
    if (sent !== f.REFUSED) this.#core.drain.schedule()
    return sent === f.ACCEPTED_SCHEDULE
  }

  sendMany(pid, messages) {
    if (typeof messages?.[Symbol.iterator] !== 'function') {
      throw invalid(`messages must be iterable, not ${args.show(messages)}`)
    }
    let accepted = 0
    for (const message of messages) {
      if (!this.send(pid, message)) break
      accepted++
    }
    return accepted
  }

  sendNamed(name, data) {
    const pid = this.#core.native.whereis(args.textOf(name, 'name'))
    return pid !== 0 && this.send(pid, data)
  }

  sendWhenRoom(pid, data, options) {
    return this.#core.rooms.send(pid, data, options)
  }

  ask(pid, data, options) {
    return this.#core.asks.ask(pid, data, options)
  }

  actorRef(pid) {
    this.#core.checkAlive(args.pidOf(pid))
    return new ActorRef(this, pid)
  }

  mailboxSize(pid) {
    const { drain } = this.#core
    const [turn, begun] = drain.turn < 0 ? [0, 0] : [drain.turn, drain.index + 1]
    const size = this.#hot.mailboxSize(args.pidOf(pid), turn, begun)
    return size < 0 ? null : size
  }

  setOverflowPolicy(pid, policy, target) {
    args.textOf(policy, 'policy')
    this.#core.native.setOverflow(args.pidOf(pid), policy, args.optionalPid(target, 'target'))
    this.#core.rooms.retry()
  }

  // Code

  hotSwap(pid, handler) {
    args.callable(handler, 'handler')
    const { functions, native, pulls } = this.#core
    this.#core.checkAlive(args.pidOf(pid))
    const mailbox = pulls.numberOf(pid)
    if (mailbox === undefined) return native.hotSwap(pid, this.#handlers.shared(handler))
    return native.hotSwapPull(mailbox, pid, functions.own(handler))
  }

  behaviorVersion(pid) {
    return this.#core.native.behaviorVersion(args.pidOf(pid))
  }

  rollbackBehavior(pid, steps = 1) {
    return this.#core.native.rollbackBehavior(args.pidOf(pid), args.count(steps, 'steps'))
  }

  // Ending

  stop(pid) {
    const stopped = this.#hot.stop(args.pidOf(pid))
    this.#core.settleHold()
    return stopped
  }

  isAlive(pid) {
    return this.#hot.isAlive(args.pidOf(pid))
  }

  async join(pid, seconds, options) {
    args.pidOf(pid)
    const timeoutMs = args.timeoutOf(seconds)
    const signal = args.signalOf(args.optionsOf(options))
    if (signal?.aborted) throw signal.reason
    const { joins, native } = this.#core
    if (this.#core.closed) return true
    let [number, watch] = [0, 0]
    const onEnd = () => {
      joins.take(number)
      native.forgetExit(pid, watch)
    }
    const waiting = new Waiting({ timeoutMs, signal, onTimeout: () => false, onEnd })
    number = joins.add(waiting)
    watch = native.watchExit(pid, number)
    if (watch === 0) joins.take(number).resolve(true)
    if (pid < args.PROXY) return waiting.promise
    this.#core.beginCall()
    try {
      return await waiting.promise
    } finally {
      this.#core.endCall()
    }
  }

  currentPid() {
    const { drain } = this.#core
    if (drain.turn < 0) return null
    return this.#hot.turnPid(drain.turn) || null
  }

  shutdown(seconds = 5) {
    return this.#core.shutdown((args.timeoutOf(seconds, 'seconds') ?? -1000) / 1000)
  }

  async close() {
    await this.#core.shutdown(0)
  }

  async [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    await this.close()
  }

  get closed() {
    return this.#core.closed
  }

  // The process

  ref() {
    this.#core.keepAlive(true)
    return this
  }

  unref() {
    this.#core.keepAlive(false)
    return this
  }
}

addMethods(NodeRuntime, names, mesh, timers, buffers, supervision, observed, inspection)

module.exports = { NodeRuntime }
