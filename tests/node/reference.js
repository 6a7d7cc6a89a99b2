// Reference: what actors do, written as plainly as can be, for the tests that play the same calls on the runtime.
'use strict'

/** How often a message that does not fit is sent on before it is refused. */
const REDIRECTS_MAX = 8

/** One actor. `kind`: push, observed, bounded, virtual, or child of a supervisor. */
class Actor {
  constructor(pid, kind, more = {}) {
    Object.assign(this, { pid, kind, alive: true, parent: null, children: [], restarts: 0 }, more)
    this.codes = ['first']
    this.version = 1
    this.versions = 1
    /** What an observed actor keeps: bytes as text, notices as [type, pid, reason]. */
    this.kept = []
    this.queue = []
    /** A bounded actor that is held has its first message in hand for as long. */
    this.held = kind === 'bounded'
    this.inHand = false
  }

  get code() {
    return this.codes.at(-1)
  }
}

class Reference {
  actors = []
  names = new Map()
  links = new Set()
  monitors = []
  counts = { sent: 0, handled: 0, crashed: 0, restarted: 0, NoProcess: 0, MailboxFull: 0, DroppedOldest: 0, ActorExited: 0 }

  add(pid, kind, more) {
    const actor = new Actor(pid, kind, more)
    this.actors.push(actor)
    actor.parent?.children.push(actor)
    return actor
  }

  /** Sends a message: whether it is taken. */
  send(actor, text) {
    this.counts.sent++
    return this.#offer(actor, text, 0)
  }

  #offer(actor, text, hops) {
    if (!actor.alive) return this.#refuse('NoProcess')
    if (hops > REDIRECTS_MAX) return this.#refuse('MailboxFull')
    if (actor.kind === 'observed') return actor.kept.push(text) > 0
    if (actor.kind !== 'bounded' || actor.queue.length < actor.capacity) return actor.queue.push(text) > 0
    switch (actor.policy) {
      case 'spill':
        return actor.queue.push(text) > 0
      case 'dropold':
        actor.queue.shift()
        this.counts.DroppedOldest++
        return actor.queue.push(text) > 0
      case 'redirect':
        return this.#offer(actor.target, text, hops + 1)
      default:
        return this.#refuse('MailboxFull')
    }
  }

  #refuse(reason) {
    this.counts[reason]++
    return false
  }

  /** The actors do what they can with what they have. */
  settle() {
    for (const actor of this.actors) {
      while (actor.alive && actor.queue.length > 0 && !actor.inHand) {
        const text = actor.queue.shift()
        this.counts.handled++
        if (actor.held) actor.inHand = true
        if (text === 'crash') this.#crash(actor)
        if (text === 'end') this.#finish(actor)
      }
    }
  }

  #crash(actor) {
    this.counts.crashed++
    if (actor.kind !== 'child' || actor.restart === 'temporary') return this.end(actor, 'Crash')
    return this.#restart(actor)
  }

  /** The function of a pull actor returned. */
  #finish(actor) {
    return actor.restart === 'permanent' ? this.#restart(actor) : this.end(actor, 'Normal')
  }

  #restart(actor) {
    this.counts.restarted++
    actor.restarts++
    for (const child of [...actor.children].reverse()) this.end(child, 'Killed')
    return undefined
  }

  release(actor) {
    actor.held = false
    actor.inHand = false
  }

  /** An actor ends, its children before it. */
  end(actor, reason) {
    if (!actor.alive) return false
    actor.alive = false
    for (const child of [...actor.children].reverse()) this.end(child, 'Killed')
    this.counts.ActorExited += actor.queue.length + actor.kept.filter((item) => typeof item === 'string').length
    actor.queue = []
    actor.kept = []
    for (const [name, owner] of this.names) if (owner === actor) this.names.delete(name)
    for (const key of [...this.links]) this.#tellLink(key, actor, reason)
    for (const monitor of this.monitors.filter(({ target, watcher, over }) => !over && (target === actor || watcher === actor))) {
      monitor.over = true
      if (monitor.target === actor && monitor.watcher.alive) monitor.watcher.kept.push(['DOWN', actor.pid, reason])
    }
    return true
  }

  #tellLink(key, actor, reason) {
    const pair = key.split(':').map((index) => this.actors[index])
    if (!pair.includes(actor)) return
    this.links.delete(key)
    const other = pair[0] === actor ? pair[1] : pair[0]
    if (other.alive && other.kind === 'observed') other.kept.push(['EXIT', actor.pid, reason])
  }

  linkKey(a, b) {
    return [this.actors.indexOf(a), this.actors.indexOf(b)].sort((one, other) => one - other).join(':')
  }

  /** Whom an actor has to do with. */
  around(actor) {
    const pids = (actors) => actors.map(({ pid }) => pid)
    const linked = [...this.links].map((key) => key.split(':').map((index) => this.actors[index])).filter((pair) => pair.includes(actor))
    const monitors = this.monitors.filter(({ target, over }) => target === actor && !over)
    return {
      links: pids(linked.map(([one, other]) => (one === actor ? other : one))).sort((one, other) => one - other),
      monitoredBy: pids(monitors.map(({ watcher }) => watcher)).sort((one, other) => one - other),
      parent: actor.parent?.pid ?? null,
      children: pids(actor.children.filter(({ alive }) => alive)),
      supervised: actor.kind === 'child',
    }
  }

  swap(actor, code) {
    actor.codes.push(code)
    actor.version = ++actor.versions
  }

  /** The children of the supervisor that are alive. */
  supervised() {
    return this.actors.filter(({ kind, alive }) => kind === 'child' && alive).map(({ pid }) => pid)
  }

  queued() {
    const waiting = ({ alive, queue, kept }) => (alive ? queue.length + kept.filter((item) => typeof item === 'string').length : 0)
    return this.actors.reduce((sum, actor) => sum + waiting(actor), 0)
  }
}

module.exports = { Reference }
