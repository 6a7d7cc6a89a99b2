// Log: tells a person of failures, on the console unless the runtime was given something else.
'use strict'

const { disregard } = require('./arguments.js')
const { now } = require('./originals.js')

/** Lines a second; beyond them failures are only counted, so that a storm of crashes stays readable. */
const LINES_MAX = 10

class Log {
  #logger
  #since = 0
  #lines = 0
  #suppressed = 0

  constructor(logger) {
    this.#logger = logger
  }

  crash(pid, error) {
    this.#error(`iris: actor ${pid} crashed:`, error)
  }

  factory(error) {
    this.#error('iris: a factory failed to make a replacement:', error)
  }

  maker(error) {
    this.#error('iris: the handler of a restarted actor could not be made:', error)
  }

  gaveUp(what) {
    this.#error(`iris: ${what}`)
  }

  #error(message, ...errors) {
    const logger = this.#logger
    if (logger === null) return
    const time = now()
    if (time - this.#since > 1000) {
      const suppressed = this.#suppressed
      this.#since = time
      this.#lines = 0
      this.#suppressed = 0
      if (suppressed > 0) this.#write(`iris: ${suppressed} more failures in the last second were not logged`)
    }
    if (++this.#lines > LINES_MAX) {
      this.#suppressed++
      return
    }
    this.#write(message, ...errors)
  }

  /** A logger that fails is no reason to end anything. */
  #write(...parts) {
    try {
      disregard(this.#logger.error(...parts))
    } catch {
      // There is nobody left to tell.
    }
  }
}

module.exports = { Log }
