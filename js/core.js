// Core: one runtime's parts on this thread, shared by the files that make up NodeRuntime.
'use strict'

const { Asks } = require('./asks.js')
const { Native } = require('./binding.js')
const { Drain } = require('./drain.js')
const { ErrorCode, IrisError, describe } = require('./errors.js')
const f = require('./frame.js')
const { Handlers } = require('./handlers.js')
const { queueMicrotask } = require('./originals.js')
const { Log } = require('./log.js')
const { Observers } = require('./observers.js')
const { Pulls } = require('./pulls.js')
const { Rooms } = require('./rooms.js')
const { made } = require('./supervision.js')
const { Tickets } = require('./waiting.js')

class Core {
  #held = false
  #settling = false
  /** Calls to other nodes that are under way. */
  #calls = 0

  constructor(logger, actorsMax) {
    const parts = []
    /** Live actors keep the process. */
    this.keepsAlive = true
    this.mailParts = []
    this.mailSlab = undefined
    this.frame = new Uint32Array(Native.frameWords())
    /** The handlers of push actors. */
    this.handlers = new Handlers()
    /** The functions of pull actors, and those that make handlers. */
    this.functions = new Handlers()
    this.log = new Log(logger)
    this.native = new Native({
      wake: () => this.drain.wake(),
      make: (slot) => this.#make(slot),
      errorClass: IrisError,
      frame: this.frame,
      parts,
      mailParts: this.mailParts,
      actorsMax,
    })
    this.hot = this.native.hot()
    this.signals = new Uint32Array(this.native.signals())
    this.asks = new Asks(this)
    this.pulls = new Pulls(this)
    this.drain = new Drain(this, parts)
    /** The process is kept until a drain told the events that wait; it settles the hold then. */
    this.settlesAfterDrain = false
    this.joins = new Tickets()
    this.observers = new Observers(this)
    this.factories = new Tickets()
    this.closes = new Tickets()
    this.rooms = new Rooms(this)
    this.closing = undefined
    this.closed = false
  }

  checkOpen() {
    if (this.closed) throw new IrisError(ErrorCode.RuntimeClosed, 'the runtime is closed')
  }

  checkAlive(pid) {
    if (!this.hot.isAlive(pid)) throw new IrisError(ErrorCode.NoProcess, `no live actor has pid ${pid}`)
  }

  /** An actor lives: the process stays. */
  hold() {
    if (this.#held || !this.keepsAlive) return
    this.#held = true
    this.native.hold(true)
  }

  beginCall() {
    this.#calls++
    this.hold()
  }

  endCall() {
    this.#calls--
    this.settleHold()
  }

  /** Whether there is a reason to keep the process. */
  #isBusy() {
    return this.#calls > 0 || this.native.liveActors() > 0
  }

  /** Looks whether anything still keeps the process alive, once, after what is being done now. */
  settleHold() {
    if (!this.#held || this.#settling) return
    this.#settling = true
    this.settlesAfterDrain = false
    queueMicrotask(() => {
      this.#settling = false
      if (this.closing !== undefined || !this.#held || this.#isBusy()) return
      // Promises wait for what the last end brought, such as an answer. It was left before the actor was counted as gone.
      this.settlesAfterDrain = this.native.hasEvents()
      if (this.settlesAfterDrain) return
      this.#held = false
      this.native.hold(false)
    })
  }

  keepAlive(yes) {
    this.keepsAlive = yes
    if (this.closing !== undefined) return
    if (yes) {
      if (this.#isBusy()) this.hold()
    } else if (this.#held) {
      this.#held = false
      this.native.hold(false)
    }
  }

  logCrash(pid, error) {
    this.log.crash(pid, error)
  }

  /** Makes the handler of an actor that is restarted in place. */
  #make(slot) {
    try {
      return this.handlers.own(made(this.functions.list[slot]))
    } catch (error) {
      this.log.maker(error)
      return describe(error)
    }
  }

  /** What the native side tells and Drain leaves to others. */
  event(kind, number, detail) {
    switch (kind) {
      case f.EXITED:
        this.joins.take(number)?.resolve(true)
        break
      case f.OBSERVED:
        this.observers.told(number)
        break
      case f.START:
        this.#startReplacement(this.factories.get(number), detail)
        break
      case f.FACTORY_GONE:
        this.factories.take(number)
        this.settleHold()
        break
      case f.FUNCTION_FREE:
        this.functions.release(number)
        break
      case f.GAVE_UP:
        this.log.gaveUp(this.native.takeText(number))
        break
      case f.LINES:
        this.log.lines(this.native.takeLog())
        break
      case f.EMPTY:
        this.settleHold()
        break
      case f.CLOSED:
        this.#end(number, detail)
        break
      default:
        throw new Error(`unknown event ${kind}`)
    }
  }

  async #startReplacement(factory, token) {
    // Where the supervisor forgot the factory meanwhile nobody waits for what it would make.
    if (factory === undefined) return this.native.startDone(token, undefined, 'Error\0the factory was forgotten\0')
    await undefined
    try {
      const pid = await factory()
      if (typeof pid !== 'number') throw new TypeError('the factory of a replacement returned no pid')
      this.native.startDone(token, pid, undefined)
    } catch (error) {
      this.log.factory(error)
      this.native.startDone(token, undefined, describe(error))
    }
  }

  shutdown(seconds) {
    if (this.closing !== undefined) {
      // Who closes again with less patience is obeyed.
      if (!this.closed) this.native.hurry(seconds)
      return this.closing
    }
    let close
    const closing = new Promise((resolve) => (close = this.closes.add(resolve)))
    try {
      this.native.shutdown(seconds, close)
    } catch (error) {
      // There was no thread for it: the runtime is as open as before.
      this.closes.take(close)
      return Promise.reject(error)
    }
    this.closing = closing
    return closing
  }

  #end(number, detail) {
    const resolve = this.closes.take(number)
    const report = this.native.takeReport(detail)
    this.closed = true
    this.pulls.close()
    this.handlers.close()
    this.functions.close()
    this.asks.close()
    for (const join of this.joins.takeAll()) join.resolve(true)
    this.factories.takeAll()
    this.observers.close()
    this.rooms.retry()
    this.native.release()
    resolve(report)
  }
}

module.exports = { Core }
