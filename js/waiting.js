// Waiting: promises that end by a time-out or an AbortSignal as well.
'use strict'

const { clearTimeout, setTimeout } = require('./originals.js')

/**
 * A promise with its time-out and signal. `settle` is called once, however it ends; what it was waiting for calls
 * `resolve` or `reject`.
 */
class Waiting {
  #resolve
  #reject
  #timer = undefined
  #signal
  #abort = undefined

  /**
   * `onTimeout` gives the value, `onEnd` is called when it ended without what it waited for. `byActor`: an actor waits;
   * it is the actor that keeps the process then, or does not, and not its time-out. `lastLook` is called before the
   * time-out is believed: what was waited for may be there, and nobody looked because the event loop was busy.
   */
  constructor({ timeoutMs, signal, onTimeout, onEnd, lastLook, byActor = false }) {
    this.done = false
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => {
        lastLook?.()
        if (this.done) return
        onEnd?.(this)
        this.resolve(onTimeout())
      }, timeoutMs)
      if (byActor) this.#timer.unref()
    }
    if (signal !== undefined) {
      this.#signal = signal
      this.#abort = () => {
        if (this.done) return
        onEnd?.(this)
        this.reject(signal.reason)
      }
      signal.addEventListener('abort', this.#abort, { once: true })
    }
  }

  resolve(value) {
    this.#end()
    this.#resolve(value)
  }

  reject(error) {
    this.#end()
    this.#reject(error)
  }

  #end() {
    this.done = true
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    if (this.#abort !== undefined) this.#signal.removeEventListener('abort', this.#abort)
  }
}

/** Numbers for things under way, used again. */
class Numbered {
  #things = []
  #free = []

  add(thing) {
    const number = this.#free.pop() ?? this.#things.length
    this.#things[number] = thing
    return number
  }

  take(number) {
    const thing = this.#things[number]
    if (thing === undefined) return undefined
    this.#things[number] = undefined
    this.#free.push(number)
    return thing
  }

  /** The numbers in use. */
  numbers() {
    return [...this.#things.keys()].filter((number) => this.#things[number] !== undefined)
  }
}

/** Numbers for things that may be forgotten before their event comes: none is used again. */
class Tickets {
  #things = new Map()
  #next = 0

  add(thing) {
    this.#next = (this.#next + 1) >>> 0
    this.#things.set(this.#next, thing)
    return this.#next
  }

  take(number) {
    const thing = this.#things.get(number)
    this.#things.delete(number)
    return thing
  }

  /** Everything, taken away. */
  takeAll() {
    const things = [...this.#things.values()]
    this.#things.clear()
    return things
  }

  get(number) {
    return this.#things.get(number)
  }
}

module.exports = { Numbered, Tickets, Waiting }
