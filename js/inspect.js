// Inspection: counters, a look at one actor or all, dead letters.
'use strict'

const { optionalPid, pidOf } = require('./arguments.js')
const { core } = require('./key.js')

function byReason(counts) {
  return Object.fromEntries(counts.map(({ reason, count }) => [reason, count]))
}

/** What is absent on the native side is null here. */
function infoOf(info) {
  return { ...info, parent: info.parent ?? null, supervisor: info.supervisor ?? null }
}

const inspection = {
  stats() {
    const stats = this[core].native.stats()
    return { ...stats, dropped: byReason(stats.dropped) }
  },

  actorInfo(pid) {
    const info = this[core].native.actorInfo(pidOf(pid))
    return info ? infoOf(info) : null
  },

  tree() {
    return this[core].native.tree().map(infoOf)
  },

  deadLetters() {
    return byReason(this[core].native.deadLetters())
  },

  listenDeadLetters(pid) {
    this[core].native.listenDeadLetters(optionalPid(pid, 'pid'))
  },
}

module.exports = { inspection }
