// Slice: how long actors may run before the event loop has its turn, measured without reading the clock each time.
'use strict'

const { now } = require('./originals.js')

/** Timers and sockets wait at most about this long. */
const SLICE_MS = 5
/** The clock costs 40 ns, a message 70 to 100: it is read once in so many messages where they are quick. */
const STRIDE_MAX = 64
/** Where messages take longer than this between two looks, the clock is read more often. */
const SLOW_MS = 0.5

class Slice {
  constructor() {
    this.deadline = 0
    this.left = 1
    this.stride = 1
    this.looked = 0
  }

  begin() {
    this.looked = now()
    this.deadline = this.looked + SLICE_MS
  }

  /** Counts one message; true when the slice is over. */
  tick() {
    return --this.left <= 0 && this.look()
  }

  look() {
    const time = now()
    if (time - this.looked > SLOW_MS) this.stride = 1
    else if (this.stride < STRIDE_MAX) this.stride *= 2
    this.left = this.stride
    this.looked = time
    return time >= this.deadline
  }
}

module.exports = { Slice }
