// Mailbox: where a pull actor's function takes its messages from.
'use strict'

const { callable, count, notPromised, optionsOf, signalOf, timeoutOf } = require('./arguments.js')
const f = require('./frame.js')
const { SystemMessage } = require('./system-message.js')
const { Waiting } = require('./waiting.js')
const { FastBuffer, shared } = require('./drain.js')

/** A look that found nothing, as opposed to a stop, which is null. */
const EMPTY = Symbol('empty')

/** A matcher of a user's, asked with what the native side has. A wait that it ended by its signal takes nothing any more. */
function asMatcher(matcher, signal) {
  return (data, notice) => {
    if (signal?.aborted) return false
    const matches = notPromised(matcher(notice === undefined ? data : new SystemMessage(notice)), 'the matcher')
    return matches && !signal?.aborted
  }
}

/** Names of the methods that are for pulls.js alone. */
const begin = Symbol('iris.begin')
const deliver = Symbol('iris.deliver')
const end = Symbol('iris.end')

class Mailbox {
  #core
  #number
  #budget
  #left = 0
  #epoch = -1
  #waiters = []
  /** A matcher runs: the mailbox cannot be looked into meanwhile. */
  #looking = false
  #stopped = false
  #replies = new WeakMap()

  constructor(core, number, pid, budget) {
    this.#core = core
    this.#number = number
    this.#budget = budget
    this.pid = pid
  }

  get stopped() {
    return this.#stopped || this.#core.hot.isStopped(this.#number)
  }

  recv(seconds, options) {
    try {
      return this.#wait(undefined, seconds, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  selectiveRecv(matcher, seconds, options) {
    try {
      return this.#wait(callable(matcher, 'matcher'), seconds, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async recvMany(max, seconds, options) {
    count(max, 'max')
    const first = await this.recv(seconds, options)
    if (first === null) return []
    const messages = [first]
    while (messages.length < max && this.#waiters.length === 0 && !this.#looking) {
      // A budget's worth is given in any case, so that what a user gets of a short mailbox depends on no clock.
      if (messages.length >= this.#budget && this.#core.drain.slice.tick()) break
      const next = this.#look(undefined)
      if (next === EMPTY || next === null) break
      messages.push(next)
      this.#left--
    }
    return messages
  }

  reply(message, data) {
    const number = this.#replies.get(message)
    if (number === undefined) return false
    const awaited = this.#core.hot.reply(this.#number, number, data)
    this.#replies.delete(message)
    return awaited
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      const message = await this.recv()
      if (message === null) return
      yield message
    }
  }

  #wait(matcher, seconds, options) {
    const timeoutMs = timeoutOf(seconds)
    const signal = options === undefined ? undefined : signalOf(optionsOf(options))
    if (signal?.aborted) throw signal.reason
    const match = matcher && asMatcher(matcher, signal)
    if (this.#waiters.length === 0 && !this.#looking && this.#mayRun()) {
      const found = this.#look(match)
      if (found !== EMPTY) return Promise.resolve(found)
      // The matcher may have aborted it, which tells nobody who listens only now.
      if (signal?.aborted) throw signal.reason
      if (timeoutMs === 0) return Promise.resolve(null)
    } else {
      this.#core.pulls.later(this)
    }
    const onEnd = (ended) => this.#forget(ended)
    const lastLook = () => this[deliver]()
    const waiting = new Waiting({ timeoutMs, signal, onTimeout: () => null, onEnd, lastLook, byActor: true })
    waiting.matcher = match
    this.#waiters.push(waiting)
    return waiting.promise
  }

  #forget(waiting) {
    const index = this.#waiters.indexOf(waiting)
    if (index >= 0) this.#waiters.splice(index, 1)
  }

  /** Whether the actor may take a message now: within its budget, and within the slice of all pull actors. */
  #mayRun() {
    const { drain, pulls } = this.#core
    drain.enter()
    if (this.#epoch !== pulls.epoch) {
      this.#epoch = pulls.epoch
      this.#left = this.#budget
    }
    return --this.#left >= 0 && !drain.slice.tick()
  }

  /** Takes a message, null where the actor was told to stop, or EMPTY with the wait readied. */
  #look(matcher) {
    if (this.#stopped) return null
    const core = this.#core
    const number = this.#number
    const found = matcher === undefined ? core.hot.receive(number) : this.#select(matcher)
    if (found === f.NOTHING) return EMPTY
    if (found === f.MESSAGE) return this.#read(core)
    if (found === f.NOTICE) return new SystemMessage(core.native.takeNotice(number))
    this.#stopped = true
    return null
  }

  #select(matcher) {
    this.#looking = true
    try {
      return this.#core.native.selectMail(this.#number, matcher)
    } finally {
      this.#looking = false
    }
  }

  #read(core) {
    const offset = core.frame[f.RECEIVED]
    const size = core.frame[f.RECEIVED + 1]
    if (size < f.FLAGGED) return new FastBuffer(core.mailSlab, offset, size)
    const length = size & f.LENGTH
    let message
    if (size & f.OWN_PART) {
      message = new FastBuffer(core.mailParts[0], 0, length)
      core.mailParts.length = 0
    } else {
      if (size & f.NEXT_SLAB) core.mailSlab = shared(core.mailParts[0])
      message = new FastBuffer(core.mailSlab, offset, length)
    }
    if (size & f.WANTS_REPLY) this.#replies.set(message, core.frame[f.RECEIVED + 2])
    return message
  }

  /** Something may have come: gives it to who waits, oldest first. For pulls.js alone. */
  [deliver]() {
    if (this.#looking) return this.#core.pulls.later(this)
    // A look that finds something ends the wait the looks before it have readied: those wait in vain until all looked again.
    while (this.#deliverOnce());
    return undefined
  }

  /** Has everybody who waits look once; true where the last look found something and somebody waits on. */
  #deliverOnce() {
    let found = EMPTY
    for (const waiting of [...this.#waiters]) {
      // Ended by a matcher that was asked just now.
      if (waiting.done) continue
      try {
        found = this.#look(waiting.matcher)
        if (found === EMPTY) continue
        this.#forget(waiting)
        waiting.resolve(found)
      } catch (error) {
        found = undefined
        this.#forget(waiting)
        waiting.reject(error)
      }
    }
    return found !== EMPTY && this.#waiters.length > 0
  }

  /** The function is called anew: an earlier stop is over. For pulls.js alone. */
  [begin]() {
    this.#stopped = false
  }

  /** The actor is gone. For pulls.js alone. */
  [end]() {
    this.#stopped = true
    for (const waiting of this.#waiters.splice(0)) waiting.resolve(null)
  }
}

module.exports = { Mailbox, asMatcher, begin, deliver, end }
