// Pulls: the pull actors of one runtime, from their function's first call to their end.
'use strict'

const { describe } = require('./errors.js')
const f = require('./frame.js')
const { queueMicrotask } = require('./originals.js')
const { Mailbox, begin, deliver, end } = require('./mailbox.js')
const { made } = require('./supervision.js')

class Pulls {
  #core
  #byNumber = new Map()
  #byPid = new Map()
  #later = new Set()

  constructor(core) {
    this.#core = core
    /** Changes with each turn of the event loop: a pull actor's budget counts from there. */
    this.epoch = 0
  }

  /** Spawns a pull actor; `maker` makes its function anew at each restart, as long as no other code is in force. */
  spawn(handler, choices, maker) {
    const core = this.#core
    const { pid, mailbox: number } = core.native.spawnPull(core.functions.own(handler), choices)
    const { budget } = choices
    const mailbox = new Mailbox(core, number, pid, budget)
    // The native side knows by the first function all that the maker makes; a rollback to it meets the latest.
    const first = maker && handler
    const actor = {
      pid,
      number,
      mailbox,
      budget,
      handler,
      maker,
      first,
      made: first,
      remakes: maker !== undefined,
      undecided: false,
    }
    this.#byNumber.set(number, actor)
    this.#byPid.set(pid, actor)
    core.hold()
    queueMicrotask(() => this.#run(actor))
    return pid
  }

  /** The number of a pull actor's mailbox. */
  numberOf(pid) {
    return this.#byPid.get(pid)?.number
  }

  /** A mailbox's reader must wait until the event loop had its turn. */
  later(mailbox) {
    this.#later.add(mailbox)
    this.#core.drain.scheduleLater()
  }

  /** A turn of the event loop begins: budgets begin anew, and who had to wait goes on. */
  newTurn() {
    this.epoch++
    if (this.#later.size === 0) return
    const mailboxes = [...this.#later]
    this.#later.clear()
    for (const mailbox of mailboxes) mailbox[deliver]()
  }

  /** The native side has something for this mailbox. */
  mail(number) {
    const actor = this.#byNumber.get(number)
    if (actor === undefined) return
    if (!actor.undecided) return actor.mailbox[deliver]()
    actor.undecided = false
    this.#follow(actor, this.#core.native.resumeMail(number))
  }

  #run(actor) {
    let running
    try {
      running = Promise.resolve(actor.handler(actor.mailbox))
    } catch (error) {
      running = Promise.reject(error)
    }
    running.then(
      () => this.#finished(actor, undefined),
      (error) => {
        this.#core.logCrash(actor.pid, error)
        this.#finished(actor, describe(error))
      },
    )
  }

  #finished(actor, failure) {
    if (!this.#byNumber.has(actor.number)) return
    const fate = this.#core.native.finishMail(actor.number, failure)
    // Who still waits in this run gets nothing of the next, unless the code was swapped: it goes on with the same mailbox.
    if (failure !== undefined || fate !== f.SWAPPED) this.#renew(actor)
    this.#follow(actor, fate)
  }

  #renew(actor) {
    const { number, pid, budget } = actor
    actor.mailbox[end]()
    actor.mailbox = new Mailbox(this.#core, number, pid, budget)
  }

  #follow(actor, fate) {
    switch (fate) {
      case f.RESTARTED:
        return this.#restart(actor)
      case f.SWAPPED:
        this.#swap(actor, this.#core.functions.list[this.#core.frame[f.RECEIVED]])
        actor.mailbox[begin]()
        return queueMicrotask(() => this.#run(actor))
      case f.WAITING:
        actor.undecided = true
        return undefined
      default:
        this.#byNumber.delete(actor.number)
        this.#byPid.delete(actor.pid)
        actor.mailbox[end]()
        return this.#core.settleHold()
    }
  }

  #swap(actor, handler) {
    actor.remakes = handler === actor.first
    actor.handler = actor.remakes ? actor.made : handler
  }

  #restart(actor) {
    queueMicrotask(() => {
      try {
        if (actor.remakes) actor.handler = actor.made = made(actor.maker)
      } catch (error) {
        this.#core.logCrash(actor.pid, error)
        return this.#finished(actor, describe(error))
      }
      return this.#run(actor)
    })
  }

  /** The runtime is closed: nothing comes any more. */
  close() {
    for (const actor of this.#byNumber.values()) actor.mailbox[end]()
    this.#byNumber.clear()
    this.#byPid.clear()
  }
}

module.exports = { Pulls }
