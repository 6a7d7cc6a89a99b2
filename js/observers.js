// Observers: who waits for what observed actors get, with one watch of the native side per actor.
'use strict'

const { queueMicrotask } = require('./originals.js')

class Observers {
  #core
  /** By pid who looks again when something came. */
  #waiting = new Map()
  /** The pid that a watch under way is about; a pid has one watch at most. */
  #watches = new Map()
  #next = 0

  constructor(core) {
    this.#core = core
  }

  /** `look` is called once, as soon as something may have come. Throws where the actor is gone. */
  wait(pid, look) {
    const waiting = this.#waiting.get(pid)
    if (waiting !== undefined) {
      waiting.add(look)
      return
    }
    this.#next = (this.#next + 1) >>> 0
    this.#core.native.notifyObserved(pid, this.#next)
    this.#watches.set(this.#next, pid)
    this.#waiting.set(pid, new Set([look]))
  }

  /** Nobody waits for `look` any more; the watch stays for who comes next. */
  forget(pid, look) {
    this.#waiting.get(pid)?.delete(look)
  }

  /** The native side has something for this watch. */
  told(watch) {
    const pid = this.#watches.get(watch)
    if (pid === undefined) return
    this.#watches.delete(watch)
    const looks = this.#waiting.get(pid)
    this.#waiting.delete(pid)
    for (const look of looks) queueMicrotask(look)
  }

  /** The runtime is closed: everybody looks for the last time. */
  close() {
    for (const watch of [...this.#watches.keys()]) this.told(watch)
  }
}

module.exports = { Observers }
