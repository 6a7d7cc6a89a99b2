// Messages: what is sent, who handles it, what the runtime tells, and what can be waited for.

import type { NodeRuntime } from './runtime.js'

/**
 * The number of an actor: a positive integer below 2^53, never given to another actor while anyone could hold it.
 */
export type Pid = number

/** What a message may be made of. A string is sent as UTF-8. The bytes are copied when they are sent. */
export type Data = NodeJS.ArrayBufferView | ArrayBuffer | string

/** What a push handler may return: it answers an ask, and is ignored for a plain message. Nothing answers with no bytes. */
export type Answer = Data | null | void

/**
 * The handler of a push actor: called once per message, one message at a time. `message` is the handler's own: keep it or
 * change it as you like. As with Node's own small Buffers, `message.buffer` may hold other messages too: copy a message whose
 * memory is to be transferred, to a worker for example.
 *
 * A handler that returns a promise gets its next message when the promise is settled. One that throws or rejects ends its
 * actor with reason `"Crash"`; nothing else is hurt.
 */
export type Handler = (message: Buffer) => Answer | PromiseLike<Answer> | unknown

/** Chooses a message: the first one it returns a true value for is taken. */
export type Matcher = (message: Buffer | SystemMessage) => boolean

/**
 * What happens to a message beyond a mailbox's bounds: it is refused (`dropnew`), the oldest gives way (`dropold`), the
 * sender waits (`block`: `send` refuses, {@link NodeRuntime.sendWhenRoom} waits), another actor gets it (`redirect`), or
 * it is kept in a temporary file and read in order (`spill`).
 */
export type OverflowPolicy = 'dropnew' | 'dropold' | 'block' | 'redirect' | 'spill'

/** Why an actor ended. */
export type ExitReason = 'Normal' | 'Killed' | 'Panic' | 'Crash' | 'NodeDown' | 'NameConflict'

/** What failed in an actor that crashed. */
export interface FailureMetadata {
  /** The name of the error's class. */
  type?: string
  /** The error's message. */
  message?: string
  /** The error's stack. */
  traceback?: string
  /** DOWN alone: what {@link NodeRuntime.monitor} returned. */
  monitor?: number
  /** DEAD_LETTER alone: the bytes that were not delivered. */
  data?: Buffer
  /** NODE_UP and NODE_DOWN: the node's name. `message` says why it is down. */
  node?: string
  /** NODE_UP and NODE_DOWN: where it listens; empty where it does not. */
  address?: string
}

/** A notice of the runtime to a pull or observed actor. */
export declare class SystemMessage {
  private constructor()
  /**
   * `"EXIT"`: an actor it is linked to ended. `"DOWN"`: an actor it monitors ended. `"HOT_SWAP"`: it was given new code.
   * `"DEAD_LETTER"`: a message was not delivered. `"PING"` and `"PONG"`: heartbeats of another node.
   * `"NODE_UP"` and `"NODE_DOWN"`: another node came or went, told by {@link NodeRuntime.monitorNodes}.
   */
  readonly typeName: 'EXIT' | 'DOWN' | 'HOT_SWAP' | 'DEAD_LETTER' | 'PING' | 'PONG' | 'NODE_UP' | 'NODE_DOWN'
  /** The actor it comes from. */
  readonly fromPid: Pid | null
  /** The actor it is about: for EXIT and DOWN the one that ended. */
  readonly targetPid: Pid | null
  /** Why that actor ended; for DEAD_LETTER why the message was not delivered. */
  readonly reason: ExitReason | string | null
  /** More about it, where there is more. */
  readonly metadata: FailureMetadata | null
}

/** A message an observed actor got: bytes of a user, or a notice of the runtime with no bytes. */
export interface ObservedMessage {
  /** The bytes, none for a notice. */
  data: Buffer
  /** The notice, or null. */
  system: SystemMessage | null
}

/** Something that can be waited for, and given up. */
export interface WaitOptions {
  /** Gives up the wait: the promise rejects with the signal's reason. What was waited for is not lost. */
  signal?: AbortSignal
}

/** How a question is asked. */
export interface AskOptions extends WaitOptions {
  /** Seconds the answer may take; `null` or `Infinity`: for ever. Default 5. */
  timeout?: number | null
}

/** How a send waits for room. */
export interface RoomOptions extends WaitOptions {
  /** Seconds to wait; absent: for ever. */
  timeout?: number | null
}

/** A buffer that was allocated to be handed over. */
export interface AllocatedBuffer {
  /** What {@link NodeRuntime.sendBuffer} takes. */
  id: number
  /** The memory, all zero. Its length is 0 once it was handed over. */
  buffer: Buffer
}

/**
 * Allocates memory that is filled in place and handed over by {@link NodeRuntime.sendBuffer} without copying it.
 *
 * @param size bytes, 1 to 536,870,911
 * @example
 * const { id, buffer } = allocateBuffer(1 << 20)
 * buffer.fill(7)
 * rt.sendBuffer(pid, id)
 */
export declare function allocateBuffer(size: number): AllocatedBuffer
