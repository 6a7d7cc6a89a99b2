// Drain: runs the handlers of ready actors on the JavaScript thread, a batch at a time, and lets the event loop breathe.
'use strict'

const { AsyncResource } = require('node:async_hooks')
const { markAsUntransferable } = require('node:worker_threads')

const { describe } = require('./errors.js')
const f = require('./frame.js')
const { queueMicrotask, setImmediate } = require('./originals.js')
const { Slice } = require('./slice.js')

/** Node's own class behind Buffer: a view made with it is a Buffer and costs a third of `Buffer.from`. */
const FastBuffer = Buffer[Symbol.species]
/** What an ask is answered with where a handler returns nothing. */
const NOTHING = Buffer.alloc(0)

/** Batches whose events are told though the slice is over, about 5 ms: what ended is let go of as fast as it can be made. */
const EVENT_BATCHES_LEAST = 32

/** No error has this number. */
const NO_ERROR = 0

const { FIRST_TURN, FIRST_EVENT, EVENT_WORDS, FLAGGED, LENGTH, NEXT_SLAB, OWN_PART, WANTS_REPLY } = f

/** A slab that messages share: whoever transferred it with one message would take the others away, as with Node's pool. */
function shared(slab) {
  markAsUntransferable(slab)
  return slab
}

class Drain {
  #core
  #hot
  #frame
  #parts
  #handlers
  #signals
  #slab
  #part = 0
  #running = false
  #mail = []
  /** Handlers run in the async context of the runtime's maker, not of whoever happened to send before a drain. */
  #context = new AsyncResource('IrisDrain')
  #runInside = () => this.#run()
  /** No drain came yet in this turn of the event loop. */
  #fresh = true
  /** The slice of this turn of the event loop is over: what is left waits for the next. */
  #over = false
  #soon = false
  #later = false
  #turnEnds = false

  #runSoon = () => {
    this.#soon = false
    this.run()
  }

  #runLater = () => {
    this.#later = false
    this.wake()
  }

  #endTurn = () => {
    this.#turnEnds = false
    this.#newTurn()
  }

  constructor(core, parts) {
    this.#core = core
    this.#hot = core.hot
    this.#frame = core.frame
    this.#parts = parts
    this.#handlers = core.handlers.list
    this.#signals = core.signals
    this.slice = new Slice()
    /** The place in the batch: which turn and message is being handled; -1 outside of handlers. */
    this.turn = -1
    this.index = 0
  }

  /** Sees to it that a drain comes: as soon as the code that runs now is through, if the slice allows it. */
  schedule() {
    if (this.#over) return this.scheduleLater()
    if (this.#soon) return undefined
    this.#soon = true
    return queueMicrotask(this.#runSoon)
  }

  /** Sees to it that a drain comes when the event loop had its turn. */
  scheduleLater() {
    this.#over = true
    if (this.#later) return
    this.#later = true
    const immediate = setImmediate(this.#runLater)
    if (this.#core.keepsAlive) return
    // A runtime that was let go of keeps no event loop; where others keep it, the wake sees to it that it turns.
    immediate.unref()
    this.#core.native.ring()
  }

  /** The event loop calls: a slice begins anew. */
  wake() {
    // What was put off comes in this very turn of the event loop, after everybody else.
    if (this.#later && !this.#core.keepsAlive) return
    this.#newTurn()
    this.run()
  }

  #newTurn() {
    this.#fresh = true
    this.#over = false
  }

  /** Handles what is there, for what is left of the slice. */
  run() {
    if (!this.#running) this.#context.runInAsyncScope(this.#runInside)
  }

  #run() {
    this.#running = true
    const hot = this.#hot
    const parts = this.#parts
    try {
      this.enter()
      // Microtasks may call for one drain after the other, each for one event: they count as messages do.
      let over = this.slice.tick()
      for (let batch = 0; !over; batch++) {
        if (parts.length > 1) parts.length = 1
        if (!hot.fill()) break
        this.#part = 0
        if (this.#slab !== parts[0]) this.#slab = shared(parts[0])
        over = this.#handleEvents(batch) || this.#turns()
      }
      if (over) this.scheduleLater()
      this.#core.rooms.retry()
      if (this.#core.settlesAfterDrain) this.#core.settleHold()
    } catch (error) {
      // Nothing of a user's ends here. Whatever does: what was not handled goes back, and the others go on.
      hot.settle(Math.max(this.turn, 0), this.turn < 0 ? 0 : this.index + 1)
      this.scheduleLater()
      throw error
    } finally {
      this.turn = -1
      this.#running = false
    }
  }

  /** Handles the events; true when the slice is over. Turns look at the clock; what has none may be very much, too. */
  #handleEvents(batch) {
    const events = this.#frame[f.EVENTS]
    if (events > 0) this.#events()
    else if (this.#frame[f.TURNS] > 0) return false
    if (events > 0 && batch < EVENT_BATCHES_LEAST) return false
    if (!this.slice.look()) return false
    this.#hot.settle(0, 0)
    return true
  }

  /** Begins the slice of this turn of the event loop. One for all drains: those of microtasks could go on for ever. */
  enter() {
    if (!this.#fresh) return
    this.#fresh = false
    this.slice.begin()
    this.#core.pulls.newTurn()
    if (this.#turnEnds) return
    this.#turnEnds = true
    const immediate = setImmediate(this.#endTurn)
    if (!this.#core.keepsAlive) immediate.unref()
  }

  /** Calls the handlers of the batch; true when the slice is over. */
  #turns() {
    const frame = this.#frame
    const handlers = this.#handlers
    const signals = this.#signals
    const { slice } = this
    const seen = frame[f.INTERRUPTS]
    const turns = frame[f.TURNS]
    let slab = this.#slab
    let at = FIRST_TURN
    for (let turn = 0; turn < turns; turn++) {
      const handler = handlers[frame[at]]
      const count = frame[at + 1]
      at += 2
      this.turn = turn
      for (let index = 0; index < count; index++, at += 2) {
        if (slice.tick()) {
          this.#hot.settle(turn, index)
          return true
        }
        // Somebody got a signal since the batch was filled: whoever did handles no more messages before it.
        if (signals[0] !== seen && this.#hot.interrupt(turn, index)) {
          at = this.#passOver(at, count - index)
          slab = this.#slab
          break
        }
        this.index = index
        const size = frame[at + 1]
        let message
        try {
          if (size < FLAGGED) {
            message = new FastBuffer(slab, frame[at], size)
          } else {
            message = this.view(frame[at], size)
            slab = this.#slab
          }
        } catch {
          // A handler detached the slab: what is left is handed over anew, in another.
          this.#hot.settle(turn, index)
          return false
        }
        let result
        try {
          result = handler(message)
        } catch (error) {
          this.#crashed(turn, index, error)
          at = this.#passOver(at + 2, count - index - 1)
          slab = this.#slab
          break
        }
        if ((result !== undefined || size >= FLAGGED) && this.#returned(turn, index, size, result)) {
          at = this.#passOver(at + 2, count - index - 1)
          slab = this.#slab
          break
        }
      }
    }
    this.turn = -1
    return false
  }

  /** The bytes at a place of the batch. Places must be read in order. */
  view(offset, size) {
    if (size & OWN_PART) return new FastBuffer(this.#parts[++this.#part], 0, size & LENGTH)
    if (size & NEXT_SLAB) this.#slab = shared(this.#parts[++this.#part])
    return new FastBuffer(this.#slab, offset, size & LENGTH)
  }

  /** Passes over messages that go back: their parts are not read. The word behind them. */
  #passOver(at, count) {
    const end = at + count * 2
    for (; at < end; at += 2) {
      const size = this.#frame[at + 1]
      if (size & NEXT_SLAB) this.#slab = shared(this.#parts[++this.#part])
      else if (size & OWN_PART) this.#part++
    }
    return end
  }

  #crashed(turn, index, error) {
    const pid = this.#hot.turnPid(turn)
    this.#hot.crash(turn, index, describe(error))
    this.#core.logCrash(pid, error)
  }

  /** A handler returned something, or is to answer; true when its turn is over. */
  #returned(turn, index, size, result) {
    const asked = (size & WANTS_REPLY) !== 0
    let then
    try {
      then = result?.then
    } catch (error) {
      this.#crashed(turn, index, error)
      return true
    }
    if (typeof then === 'function') return this.#suspend(turn, index, asked, result, then)
    if (asked) this.#answer(turn, index, result)
    return false
  }

  #answer(turn, index, result) {
    try {
      this.#hot.answer(turn, index, result ?? NOTHING)
    } catch (error) {
      this.#hot.refuse(turn, index, describe(new TypeError(error.message)))
    }
  }

  #suspend(turn, index, asked, promise, then) {
    const hot = this.#hot
    const pid = hot.turnPid(turn)
    const token = hot.suspend(turn, index)
    const fulfilled = (value) => {
      if (hot.resume(token, asked ? (value ?? NOTHING) : NOTHING)) this.schedule()
    }
    const rejected = (error) => {
      if (!hot.resumeCrashed(token, describe(error))) return
      this.schedule()
      this.#core.logCrash(pid, error)
    }
    try {
      Reflect.apply(then, promise, [fulfilled, rejected])
    } catch (error) {
      rejected(error)
    }
    return true
  }

  #answered(number, offset, size) {
    const { asks } = this.#core
    let answer
    try {
      answer = this.view(offset, size)
    } catch {
      // A maker that ran since the answer was laid there transferred the slab. What befell it has no error of its own.
      return asks.failed(number, NO_ERROR)
    }
    return asks.answered(number, answer)
  }

  /** Tells the parts of the binding what happened. None of them calls a user's function at once, but for matchers. */
  #events() {
    const frame = this.#frame
    const core = this.#core
    const end = FIRST_EVENT + frame[f.EVENTS] * EVENT_WORDS
    for (let at = FIRST_EVENT; at < end; at += EVENT_WORDS) {
      const number = frame[at + 1]
      switch (frame[at]) {
        case f.ANSWERED:
          this.#answered(number, frame[at + 2], frame[at + 3])
          break
        case f.FAILED:
          core.asks.failed(number, frame[at + 2])
          break
        case f.MAIL:
          this.#mail.push(number)
          break
        case f.SLOT_FREE:
          // Asked now: a maker that ran since the event was told may have spawned an actor with this handler.
          if (this.#hot.isFree(number)) core.handlers.release(number)
          break
        default:
          core.event(frame[at], number, frame[at + 2])
      }
    }
    // A matcher is a user's function, which may spawn actors with handlers that an event said are not used any more.
    for (const number of this.#mail.splice(0)) core.pulls.mail(number)
  }
}

module.exports = { Drain, FastBuffer, NOTHING, shared }
