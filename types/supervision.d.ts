// Supervision: who is restarted when, and how often.

import type { Pid } from './messages.js'

/**
 * Whom the failure of a supervised actor concerns: itself (`RestartOne`), all siblings (`RestartAll`), or those that were
 * started after it (`rest_for_one`). In any case, with or without `_`.
 */
export type Strategy =
  | 'RestartOne'
  | 'RestartAll'
  | 'RestartRest'
  | 'restart_one'
  | 'restart_all'
  | 'one_for_one'
  | 'one_for_all'
  | 'rest_for_one'

/** When a child is restarted: always, after any end but a normal one, or never. */
export type Restart = 'permanent' | 'transient' | 'temporary'

/** How a supervisor is made. */
export interface SupervisorOptions {
  /** Whom a child's failure concerns. Default `"one_for_one"`. */
  strategy?: Strategy
  /** Restarts allowed within `period`; one more and the supervisor ends. Default 3. */
  intensity?: number
  /** Seconds. Default 5. */
  period?: number
  /** Shortest and longest pause before a repeated restart, in seconds. Default `[0.01, 5]`. */
  backoff?: [number, number]
  /** The supervisor this one is a child of. */
  supervisor?: Pid
}

/** How a child of a supervisor is made. */
export interface ChildOptions {
  /** When it is restarted. Default `"permanent"`. */
  restart?: Restart
  /** Messages a turn. Default 100. */
  budget?: number
  /** A name to register; it survives restarts. */
  name?: string
  /** A path to register; it survives restarts. */
  path?: string
}
