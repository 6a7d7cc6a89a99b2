// Inspection: what a runtime tells of itself and its actors.

import type { Pid } from './messages.js'

/** An actor and its path. */
export interface PathEntry {
  path: string
  pid: Pid
}

/** What became of the actors of a runtime that was shut down. */
export interface ShutdownReport {
  /** Actors that were idle, or finished what they had, in time. */
  finished: number
  /** Actors that still had messages when the time was over. */
  killed: number
  /** Actors that did not end, such as a pull function that does not return. */
  unfinished: Pid[]
}

/** Counts of messages that were not delivered, by reason. */
export type DroppedCounts = Record<string, number>

/** A look at a whole runtime: at rest, sent = handled + all dropped + queued. */
export interface RuntimeStats {
  /** Live actors. */
  actors: number
  /** Actors spawned so far. */
  spawned: number
  /** Actors that ended so far. */
  exited: number
  /** Failures so far, those included that were healed by a restart. */
  crashed: number
  /** Restarts by supervisors so far. */
  restarted: number
  /** Messages sent so far, refused ones included. */
  sent: number
  /** Messages handled so far, those in progress included. */
  handled: number
  /** Messages that wait. */
  queued: number
  /** Messages that were not delivered, by reason. */
  dropped: DroppedCounts
  /** Timers pending. */
  timers: number
  /** Names registered. */
  names: number
  /** Paths registered. */
  paths: number
}

/** A look at one actor. */
export interface ActorInfo {
  pid: Pid
  kind: 'push' | 'pull' | 'observed' | 'supervisor'
  state: 'idle' | 'active' | 'suspended' | 'ending'
  /** Messages that wait. */
  mailboxSize: number
  /** Messages a turn. */
  budget: number
  /** The version of its code. */
  version: number
  /** Restarts in place so far. */
  restarts: number
  names: string[]
  paths: string[]
  /** Whom it is linked to. */
  links: Pid[]
  /** Who monitors it. */
  monitoredBy: Pid[]
  /** The actor it ends with. */
  parent: Pid | null
  /** The actors that end with it, in the order they were spawned. */
  children: Pid[]
  /** The supervisor it is a child of. */
  supervisor: Pid | null
}
