// Mailbox: where the function of a pull actor takes its messages from.

import type { Data, Matcher, Pid, SystemMessage, WaitOptions } from './messages.js'

/** The function of a pull actor: takes messages from the mailbox when it likes; the actor ends when it returns. */
export type MailboxHandler = (mailbox: Mailbox) => Promise<unknown> | unknown

/**
 * Where a pull actor's function takes its messages from. Messages come in the order they were sent, notices of the runtime
 * before them.
 */
export declare class Mailbox implements AsyncIterable<Buffer | SystemMessage> {
  private constructor()
  /** The actor's own pid. */
  readonly pid: Pid
  /** Whether the actor was told to stop, or to begin anew: no message comes any more, and the function should return. */
  readonly stopped: boolean
  /**
   * The next message.
   *
   * @param seconds how long to wait; absent: for ever; 0: not at all
   * @returns the message; `null` when the time is over, or when the actor was told to stop
   */
  recv(seconds?: number | null, options?: WaitOptions): Promise<Buffer | SystemMessage | null>
  /**
   * The first message the matcher accepts; the others keep their place and order. A matcher that throws rejects the
   * promise and takes nothing.
   */
  selectiveRecv(
    matcher: Matcher,
    seconds?: number | null,
    options?: WaitOptions,
  ): Promise<Buffer | SystemMessage | null>
  /**
   * Waits for one message as {@link Mailbox.recv} and takes what else is there, up to `max`; more than the actor's budget only
   * within the time slice that actors share. Empty where `recv` gives `null`.
   */
  recvMany(max: number, seconds?: number | null, options?: WaitOptions): Promise<(Buffer | SystemMessage)[]>
  /**
   * Answers an ask.
   *
   * @param message the very Buffer that was received
   * @returns false where it was no ask, was answered before, or nobody waits any more
   */
  reply(message: Buffer | SystemMessage, data: Data): boolean
  /**
   * The messages one after the other, until the actor is told to stop.
   *
   * @example
   * rt.spawnWithMailbox(async (mailbox) => {
   *   for await (const message of mailbox) console.log(String(message))
   * })
   */
  [Symbol.asyncIterator](): AsyncIterator<Buffer | SystemMessage>
}
