// World: a runtime with an actor of each kind, for the tests that give bad input, and looks at what a refused call left.
'use strict'

const { closeAll, deferred, eventually, open, turn } = require('./helpers.js')

/** Settled when a test is over: what the functions of its pull actors return. */
let over = deferred()

/** Closes what a test opened. */
function closeWorlds() {
  over.resolve()
  over = deferred()
  return closeAll()
}

/** The error of a call that throws or rejects. */
async function errorOf(call) {
  try {
    await call()
  } catch (error) {
    return error
  }
  throw new Error('the call was not refused')
}

/** A runtime with an actor of each kind, and the mailbox of the pull actor. */
async function world() {
  const rt = open()
  const pids = { push: rt.spawn((message) => message), observed: rt.spawnObservedHandler(), supervisor: rt.spawnSupervisor() }
  const full = rt.spawnBounded(() => new Promise(() => {}), 1, 1)
  rt.setOverflowPolicy(full, 'block')
  rt.send(full, 'in hand')
  await eventually(() => rt.mailboxSize(full) === 0, 'the handler to begin')
  rt.send(full, 'fills it')
  let mailbox
  const pull = rt.spawnWithMailbox((given) => {
    mailbox = given
    return over.promise
  })
  await turn()
  return { rt, mailbox, pids: { ...pids, full, pull } }
}

/** What a look at all of a runtime shows: equal before and after a call that was refused. */
function look(rt) {
  const { actors, names, paths, queued, sent, timers } = rt.stats()
  return { actors, names, paths, queued, sent, timers }
}

module.exports = { closeWorlds, errorOf, look, world }
