// Asks: questions to actors, each a promise of the answer.
'use strict'

const { PROXY, optionsOf, pidOf, signalOf, timeoutOf } = require('./arguments.js')
const { ErrorCode, IrisError } = require('./errors.js')
const { Numbered } = require('./waiting.js')

/** Seconds an answer may take where the caller says nothing. */
const TIMEOUT_SECONDS = 5

class Asks {
  #core
  #open = new Numbered()

  constructor(core) {
    this.#core = core
  }

  ask(pid, data, options) {
    return new Promise((resolve, reject) => {
      const { core, seconds, signal } = this.#read(pid, options)
      if (signal?.aborted) throw signal.reason
      const ask = { resolve, reject, signal, abort: undefined, keeps: pid >= PROXY }
      const number = this.#open.add(ask)
      try {
        if (core.hot.ask(pid, data, seconds, number)) core.drain.schedule()
      } catch (error) {
        this.#open.take(number)
        throw error
      }
      // An actor of here keeps the process by itself.
      if (ask.keeps) core.beginCall()
      if (signal !== undefined) {
        ask.abort = () => this.#abort(number, signal.reason)
        signal.addEventListener('abort', ask.abort, { once: true })
      }
    })
  }

  /** A call to another node: `begin(number)` starts it, and it is answered as an ask is. It keeps the process meanwhile. */
  async call(begin) {
    const core = this.#core
    core.checkOpen()
    return new Promise((resolve, reject) => {
      const number = this.#open.add({ resolve, reject, signal: undefined, abort: undefined, keeps: true })
      try {
        begin(number)
      } catch (error) {
        this.#open.take(number)
        throw error
      }
      core.beginCall()
    })
  }

  #read(pid, options) {
    const core = this.#core
    core.checkOpen()
    pidOf(pid)
    if (options === undefined) return { core, seconds: TIMEOUT_SECONDS, signal: undefined }
    const { timeout = TIMEOUT_SECONDS } = optionsOf(options)
    const milliseconds = timeoutOf(timeout)
    // A negative number is no time-out at all.
    const seconds = milliseconds === undefined ? -1 : milliseconds / 1000
    return { core, seconds, signal: signalOf(options) }
  }

  #abort(number, reason) {
    // Where the answer is on its way its event comes and finds the ask still open: it frees the number.
    if (!this.#core.hot.cancelAsk(number)) return
    this.#end(number)?.reject(reason)
  }

  #end(number) {
    const ask = this.#open.take(number)
    if (ask?.abort !== undefined) ask.signal.removeEventListener('abort', ask.abort)
    if (ask?.keeps) this.#core.endCall()
    return ask
  }

  /** The runtime is closed: no answer comes any more. */
  close() {
    for (const number of this.#open.numbers()) {
      this.#end(number).reject(new IrisError(ErrorCode.AskFailed, 'the runtime was closed before the ask was answered'))
    }
  }

  answered(number, bytes) {
    this.#end(number)?.resolve(bytes)
  }

  failed(number, error) {
    const [kind, message] = this.#core.hot.askError(error).split('\0')
    this.#end(number)?.reject(new IrisError(ErrorCode[kind] ?? ErrorCode.AskFailed, message))
  }
}

module.exports = { Asks }
