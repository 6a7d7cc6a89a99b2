// Log: tells a person of failures, and of what happens between nodes, on the console unless the runtime was given something else.
'use strict'

const { disregard } = require('./arguments.js')
const { now } = require('./originals.js')

/** Lines a second of each sort; beyond them they are only counted, so that a storm stays readable. */
const LINES_MAX = 10

/** Lines of one sort. */
class Sort {
  #what
  #since = 0
  #lines = 0
  #suppressed = 0

  constructor(what) {
    this.#what = what
  }

  /** Whether one more may be written; what is to be said before of those that were not, if anything. */
  admit() {
    const time = now()
    let before
    if (time - this.#since > 1000) {
      if (this.#suppressed > 0) before = `iris: ${this.#suppressed} more ${this.#what} in the last second were not logged`
      this.#since = time
      this.#lines = 0
      this.#suppressed = 0
    }
    const may = ++this.#lines <= LINES_MAX
    if (!may) this.#suppressed++
    return { may, before }
  }
}

class Log {
  #logger
  #failures = new Sort('failures')
  #troubles = new Sort('warnings of the mesh')

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

  /** What the runtime's node has to say. The console is for people, who are told of what is worth a look. */
  lines(lines) {
    for (const { level, text } of lines) {
      if (level === 'warn' || level === 'error') this.#limited(this.#troubles, level, [`iris: ${text}`])
      else if (this.#logger !== console) this.#write(level, [`iris: ${text}`])
    }
  }

  #error(...parts) {
    this.#limited(this.#failures, 'error', parts)
  }

  #limited(sort, level, parts) {
    if (this.#logger === null) return
    const { may, before } = sort.admit()
    if (before !== undefined) this.#write(level, [before])
    if (may) this.#write(level, parts)
  }

  /** A logger that fails is no reason to end anything. One without a method for a level hears warnings as errors. */
  #write(level, parts) {
    try {
      const logger = this.#logger
      if (typeof logger?.[level] === 'function') disregard(logger[level](...parts))
      else if (level === 'warn') disregard(logger.error(...parts))
    } catch {
      // There is nobody left to tell.
    }
  }
}

module.exports = { Log }
