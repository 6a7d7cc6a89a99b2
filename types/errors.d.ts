// Errors: the one class that the library throws, and its codes.

/** The codes of {@link IrisError}, each by its own name. */
export declare const ErrorCode: {
  /** No live actor has this pid. */
  readonly NoProcess: 'NoProcess'
  /** The mailbox is at its bound and its policy refuses. */
  readonly MailboxFull: 'MailboxFull'
  /** The name or path belongs to another live actor. */
  readonly NameTaken: 'NameTaken'
  /** No actor has this name. */
  readonly NoSuchName: 'NoSuchName'
  /** An argument is outside its range; the message says which and what is allowed. */
  readonly InvalidArgument: 'InvalidArgument'
  /** A limit of the runtime is reached; the message names the limit. */
  readonly LimitReached: 'LimitReached'
  /** The ask was not answered in time. */
  readonly AskTimeout: 'AskTimeout'
  /** The target ended, or refused, before it answered. */
  readonly AskFailed: 'AskFailed'
  /** The call would wait for itself. */
  readonly WouldDeadlock: 'WouldDeadlock'
  /** The runtime was closed. */
  readonly RuntimeClosed: 'RuntimeClosed'
  /** The process was forked after the runtime was made. */
  readonly ForkedRuntime: 'ForkedRuntime'
  /** No supervisor has this pid or path. */
  readonly NoSupervisor: 'NoSupervisor'
  /** The buffer id is unknown or was handed over. */
  readonly NoSuchBuffer: 'NoSuchBuffer'
  /** The actor cannot do this: it is of another kind. */
  readonly WrongActorKind: 'WrongActorKind'
  /** Another node cannot be reached, or the connection with it was lost. */
  readonly NodeDown: 'NodeDown'
  /** An address cannot be listened on; the message says what the system says. */
  readonly ListenFailed: 'ListenFailed'
  /** It is not allowed here; the message says what to configure. */
  readonly NotPermitted: 'NotPermitted'
}

/** One of the codes of {@link IrisError}. */
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode]

/**
 * What this library throws, and rejects with.
 *
 * @example
 * try {
 *   await rt.ask(pid, 'are you there?', { timeout: 1 })
 * } catch (error) {
 *   if (error instanceof IrisError && error.code === 'AskTimeout') console.log('no')
 * }
 */
export declare class IrisError extends Error {
  /** An error of this kind. */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions)
  /** The kind of error, the same name in Rust and Python. */
  readonly code: ErrorCode
}
