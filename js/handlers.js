// Handlers: the functions of actors, by the small numbers the native side knows them by.
'use strict'

const { ErrorCode, IrisError } = require('./errors.js')

class Handlers {
  #closed = false
  #free = []
  #slots = new Map()
  #last = undefined
  #lastSlot = -1

  constructor() {
    /** The function in each slot. */
    this.list = []
  }

  /** The slot of a function; all actors with this function share it. */
  shared(handler) {
    if (handler === this.#last) return this.#lastSlot
    let slot = this.#slots.get(handler)
    if (slot === undefined) {
      slot = this.own(handler)
      this.#slots.set(handler, slot)
    }
    this.#last = handler
    this.#lastSlot = slot
    return slot
  }

  /** A slot for one actor alone. */
  own(handler) {
    // Nobody would tell that the slot is free again.
    if (this.#closed) throw new IrisError(ErrorCode.RuntimeClosed, 'the runtime is closed')
    const slot = this.#free.pop() ?? this.list.length
    this.list[slot] = handler
    return slot
  }

  /** No actor has the function any more. */
  release(slot) {
    const handler = this.list[slot]
    if (handler === undefined) return
    if (this.#slots.get(handler) === slot) this.#slots.delete(handler)
    if (this.#lastSlot === slot) {
      this.#last = undefined
      this.#lastSlot = -1
    }
    this.list[slot] = undefined
    this.#free.push(slot)
  }

  /** The runtime is closed: no function is kept, and none is taken any more. */
  close() {
    this.#closed = true
    this.#slots.clear()
    this.#last = undefined
    this.#free.length = 0
    this.list.length = 0
  }
}

module.exports = { Handlers }
