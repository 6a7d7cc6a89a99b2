// Observed: reading what actors without a handler have got.
'use strict'

const { callable, optionsOf, pidOf, signalOf, timeoutOf } = require('./arguments.js')
const { core } = require('./key.js')
const { asMatcher } = require('./mailbox.js')
const { SystemMessage } = require('./system-message.js')
const { Waiting } = require('./waiting.js')

/** What an observed actor got, as users see it. */
function itemOf({ data, system }) {
  if (system === undefined) return { data, system: null }
  return { data: Buffer.alloc(0), system: new SystemMessage(system) }
}

const observed = {
  getMessages(pid) {
    return this[core].native.takeObserved(pidOf(pid)).map(itemOf)
  },

  async selectiveRecv(pid, matcher, seconds, options) {
    callable(matcher, 'matcher')
    const timeoutMs = timeoutOf(seconds)
    const signal = signalOf(optionsOf(options))
    if (signal?.aborted) throw signal.reason
    const match = asMatcher(matcher, signal)
    const { native, observers } = this[core]
    const look = () => {
      const item = native.selectObserved(pidOf(pid), match)
      if (!item) return undefined
      return item.system === undefined ? item.data : new SystemMessage(item.system)
    }
    const waiting = new Waiting({ timeoutMs, signal, onTimeout: () => null, onEnd: () => observers.forget(pid, again) })
    const again = () => {
      if (waiting.done) return
      try {
        const message = look()
        if (message !== undefined) return waiting.resolve(message)
        // The matcher may have ended the wait.
        if (!waiting.done) observers.wait(pid, again)
      } catch (error) {
        waiting.reject(error)
      }
    }
    again()
    return waiting.promise
  },
}

module.exports = { observed }
