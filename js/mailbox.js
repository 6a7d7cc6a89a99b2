// Mailbox: where a pull actor's function takes its messages from.
'use strict'

const { callable, count, optionsOf, signalOf, timeoutOf } = require('./arguments.js')
const f = require('./frame.js')
const { SystemMessage } = require('./system-message.js')
const { Waiting } = require('./waiting.js')
const { FastBuffer } = require('./drain.js')

/** A look that found nothing, as opposed to a stop, which is null. */
const EMPTY = Symbol('empty')

/** What a matcher of a user's is asked with, from what the native side has. */
function asMatcher(matcher) {
  return (data, notice) => matcher(notice === undefined ? data : new SystemMessage(notice))
}

/** Names of the methods that are for pulls.js alone. */
const deliver = Symbol('iris.deliver')
const end = Symbol('iris.end')

class Mailbox {
  #core
  #number
  #budget
  #left = 0
  #epoch = -1
  #waiters = []
  #stopped = false
  #replies = new WeakMap()

  constructor(core, number, pid, budget) {
    this.#core = core
    this.#number = number
    this.#budget = budget
    this.pid = pid
  }

  get stopped() {
    return this.#stopped
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
      return this.#wait(asMatcher(callable(matcher, 'matcher')), seconds, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async recvMany(max, seconds, options) {
    count(max, 'max')
    const first = await this.recv(seconds, options)
    if (first === null) return []
    const messages = [first]
    while (messages.length < max && this.#waiters.length === 0) {
      const next = this.#look(undefined)
      if (next === EMPTY || next === null) break
      messages.push(next)
    }
    return messages
  }

  reply(message, data) {
    const number = this.#replies.get(message)
    if (number === undefined) return false
    this.#replies.delete(message)
    return this.#core.hot.reply(this.#number, number, data)
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
    if (this.#waiters.length === 0 && this.#mayRun()) {
      const found = this.#look(matcher)
      if (found !== EMPTY) return Promise.resolve(found)
      if (timeoutMs === 0) return Promise.resolve(null)
    } else {
      this.#core.pulls.later(this)
    }
    const onEnd = (ended) => this.#forget(ended)
    const waiting = new Waiting({ timeoutMs, signal, onTimeout: () => null, onEnd, byActor: true })
    waiting.matcher = matcher
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
    const found = matcher === undefined ? core.hot.receive(number) : core.native.selectMail(number, matcher)
    if (found === f.NOTHING) return EMPTY
    if (found === f.MESSAGE) return this.#read(core)
    if (found === f.NOTICE) return new SystemMessage(core.native.takeNotice(number))
    this.#stopped = true
    return null
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
      if (size & f.NEXT_SLAB) core.mailSlab = core.mailParts[0]
      message = new FastBuffer(core.mailSlab, offset, length)
    }
    if (size & f.WANTS_REPLY) this.#replies.set(message, core.frame[f.RECEIVED + 2])
    return message
  }

  /** Something may have come: gives it to who waits, oldest first. For pulls.js alone. */
  [deliver]() {
    for (let index = 0; index < this.#waiters.length; ) {
      const waiting = this.#waiters[index]
      let found
      try {
        found = this.#look(waiting.matcher)
      } catch (error) {
        this.#waiters.splice(index, 1)
        waiting.reject(error)
        continue
      }
      if (found === EMPTY) {
        index++
        continue
      }
      this.#waiters.splice(index, 1)
      waiting.resolve(found)
    }
  }

  /** The actor is gone. For pulls.js alone. */
  [end]() {
    this.#stopped = true
    for (const waiting of this.#waiters.splice(0)) waiting.resolve(null)
  }
}

module.exports = { Mailbox, asMatcher, deliver, end }
