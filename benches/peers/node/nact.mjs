// Nact: `spawn` below the system, `dispatch` to tell, `query` to ask; `onCrash` resets an actor that threw.
import nact from 'nact'
import { BODY, CRASH, main, now, rate } from './measure.mjs'
import { workloads } from './workloads.mjs'

const { start, spawn, dispatch, query, stop } = nact
const root = start()
const TIMEOUT_MS = 60_000
let spawned = 0

/** A message that wants an answer: nact's own way is to put the sender into it. */
class Ask {
  constructor(body, sender) {
    this.body = body
    this.sender = sender
  }
}

const hosted = (handler) => (state, message, context) => {
  if (message instanceof Ask) dispatch(message.sender, handler(message.body), context.self)
  else handler(message)
  return state
}

// Names are given: those that nact draws by itself meet again among so many.
const system = {
  spawn: (handler) => spawn(root, hosted(handler), `actor-${(spawned += 1)}`),
  send: (to, message) => dispatch(to, message),
  ask: (to, message) => query(to, (sender) => new Ask(message, sender), TIMEOUT_MS),
  stopSelf: (me) => stop(me),
}

async function restarts(rounds) {
  let handled = 0
  const handle = (state, message) => {
    if (message === CRASH) throw new Error('on purpose')
    if (message instanceof Ask) dispatch(message.sender, BODY)
    else handled += 1
    return state
  }
  const onCrash = (_message, _error, context) => context.reset
  const actor = spawn(root, handle, `crashing-${(spawned += 1)}`, { onCrash })
  const begun = now()
  for (let round = 0; round < rounds; round += 1) {
    for (let number = 0; number < 5; number += 1) dispatch(actor, BODY)
    dispatch(actor, CRASH)
    for (let number = 0; number < 5; number += 1) dispatch(actor, BODY)
    await system.ask(actor, BODY)
  }
  return { ...rate(rounds, begun), kept: handled / (rounds * 10) }
}

await main({ ...workloads(system), W13: restarts })
