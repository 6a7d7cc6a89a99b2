// Timers: messages sent later, once or again and again.
'use strict'

const { count, milliseconds, pidOf } = require('./arguments.js')
const { core } = require('./key.js')

const timers = {
  sendAfter(pid, delayMs, data) {
    return this[core].hot.sendAfter(pidOf(pid), milliseconds(delayMs, 'delayMs'), data)
  },

  sendInterval(pid, intervalMs, data) {
    return this[core].native.sendInterval(pidOf(pid), count(intervalMs, 'intervalMs'), data)
  },

  cancelTimer(id) {
    return this[core].hot.cancelTimer(pidOf(id, 'id'))
  },
}

module.exports = { timers }
