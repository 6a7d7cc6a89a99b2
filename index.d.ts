// The types of iris-actors, written by hand; tests/node/types checks them against tsc and against the running code.

/// <reference types="node" />

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

/** The function of a pull actor: takes messages from the mailbox when it likes; the actor ends when it returns. */
export type MailboxHandler = (mailbox: Mailbox) => Promise<unknown> | unknown

/** Chooses a message: the first one it returns a true value for is taken. */
export type Matcher = (message: Buffer | SystemMessage) => boolean

/** Why an actor ended. */
export type ExitReason = 'Normal' | 'Killed' | 'Panic' | 'Crash'

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

/**
 * What happens to a message beyond a mailbox's bounds: it is refused (`dropnew`), the oldest gives way (`dropold`), the
 * sender waits (`block`: `send` refuses, {@link NodeRuntime.sendWhenRoom} waits), another actor gets it (`redirect`), or
 * it is kept in a temporary file and read in order (`spill`).
 */
export type OverflowPolicy = 'dropnew' | 'dropold' | 'block' | 'redirect' | 'spill'

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

/** A message an observed actor got: bytes of a user, or a notice of the runtime with no bytes. */
export interface ObservedMessage {
  /** The bytes, none for a notice. */
  data: Buffer
  /** The notice, or null. */
  system: SystemMessage | null
}

/** How a runtime is a node: set by the first call that needs one, and the same from then on. */
export interface NodeOptions {
  /** The node's name, by which others know it again; without one it has a new name with every start. */
  name?: string
  /** Seconds that a connection, a look-up or a sign of life may take; 5 by default. */
  timeout?: number
  /** How often this node says that it lives; 1000 by default. One that is silent for three is gone. */
  heartbeatMs?: number
  /** The longest message that this node takes, in bytes; 1 MiB by default. */
  payloadMax?: number
  /** Bytes of messages from one node that may be under way or wait here; 16 MiB by default. */
  window?: number
  /**
   * A directory with `ca.pem`, `NAME.pem` and `NAME.key`, as {@link devCerts} makes them: every connection is TLS, and both sides
   * prove their names.
   */
  certificates?: string
  /** Which peers may reach which names, as `{ 'web-*': ['mail', 'stats-*'] }`; without it each may reach all. */
  allow?: Record<string, readonly string[]>
  /** Use addresses that others can reach without TLS. */
  insecure?: boolean
}

/** A look at a node. */
export interface NodeInfo {
  name: string
  /** Where it listens. */
  addresses: string[]
  /** The names of the nodes it is connected with. */
  nodes: string[]
  /** Connections that were refused so far. */
  refused: number
}

/** An actor and its path. */
export interface PathEntry {
  path: string
  pid: Pid
}

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

/** Where failures are told; `console` is one. */
export interface Logger {
  error(message: string, ...details: unknown[]): void
}

/** How a runtime is made. */
export interface RuntimeOptions {
  /**
   * Told of each actor that crashes and each factory that fails, at most ten lines a second. Default `console`; `null`:
   * nobody.
   */
  logger?: Logger | null
}

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

/** One actor of one runtime, as a value to pass around. */
export declare class ActorRef {
  private constructor()
  readonly pid: Pid
  /** As {@link NodeRuntime.send}. */
  send(data: Data): boolean
  /** As {@link NodeRuntime.ask}. */
  ask(data: Data, options?: AskOptions): Promise<Buffer>
  /** As {@link NodeRuntime.stop}. */
  stop(): boolean
  /** As {@link NodeRuntime.isAlive}. */
  readonly isAlive: boolean
}

/**
 * A runtime: actors of this process whose handlers run on the JavaScript thread that made it. A value, not a singleton;
 * several live side by side, in worker threads too. The methods throw {@link IrisError}.
 *
 * Handlers run in slices of about 5 ms, between which timers and sockets have their turn; an actor handles at most its
 * budget of messages before others do. While actors live the process stays, as with an open server: see
 * {@link NodeRuntime.unref}.
 *
 * @example
 * const { NodeRuntime } = require('iris-actors')
 * const rt = new NodeRuntime()
 * const greeter = rt.spawn((message) => `hello ${message}`)
 * console.log(String(await rt.ask(greeter, 'world'))) // hello world
 * await rt.close()
 */
export declare class NodeRuntime implements AsyncDisposable {
  /** A runtime of its own. No thread is started before a timer or a supervisor needs one. */
  constructor(options?: RuntimeOptions)

  /** Whether the runtime was closed. */
  readonly closed: boolean

  // Spawning

  /**
   * Spawns a push actor. Returns at once; nothing runs before the first message. Actors that share one handler cost about
   * 100 bytes each.
   *
   * @param budget messages the actor may handle in one turn, at least 1; default 100
   * @throws `InvalidArgument`, `LimitReached`, `RuntimeClosed`
   * @example
   * const pid = rt.spawn((message) => console.log(String(message)))
   * rt.send(pid, 'hello')
   */
  spawn(handler: Handler, budget?: number): Pid
  /**
   * Spawns a pull actor: `handler` is called soon, with the actor's mailbox; the actor ends when what it returns is
   * settled, with reason `"Normal"`, or `"Crash"` where it rejects.
   *
   * @param budget messages the actor may take before it waits for others; default 100
   */
  spawnWithMailbox(handler: MailboxHandler, budget?: number): Pid
  /** Spawns a push actor that ends when `parent` ends, before it. @throws `NoProcess` */
  spawnChild(parent: Pid, handler: Handler, budget?: number): Pid
  /** Spawns a pull actor that ends when `parent` ends, before it. @throws `NoProcess` */
  spawnChildWithMailbox(parent: Pid, handler: MailboxHandler, budget?: number): Pid
  /** Spawns `workers` children that share a handler. @throws `NoProcess` */
  spawnChildPool(parent: Pid, handler: Handler, workers: number, budget?: number): Pid[]
  /**
   * Spawns a push actor whose mailbox holds at most `capacity` messages; what comes beyond is refused unless
   * {@link NodeRuntime.setOverflowPolicy} says otherwise. Messages of the turn in progress do not count.
   */
  spawnBounded(handler: Handler, budget: number | undefined, capacity: number): Pid
  /**
   * Spawns a virtual actor: it has a pid at once, becomes active with its first message, and ends normally when it was idle
   * for so long after one.
   *
   * @param idleTimeoutMs milliseconds; absent: it never ends by itself
   */
  spawnVirtual(handler: Handler, budget?: number, idleTimeoutMs?: number): Pid
  /** Spawns an observed actor: it has no handler and keeps what it gets until {@link NodeRuntime.getMessages} takes it. */
  spawnObservedHandler(budget?: number): Pid
  /** As {@link NodeRuntime.spawnObservedHandler}, with a path. @throws `NameTaken` */
  spawnWithPathObserved(budget: number | undefined, path: string): Pid

  // Sending

  /**
   * Sends a message. The bytes are copied.
   *
   * @returns false: no such actor, or its mailbox refused it
   */
  send(pid: Pid, data: Data): boolean
  /** Sends several messages in order; how many were accepted. The first one refused ends the call. */
  sendMany(pid: Pid, messages: Iterable<Data>): number
  /** Sends to who has the name; false: nobody has it, or the mailbox refused. */
  sendNamed(name: string, data: Data): boolean
  /** Sends as soon as the mailbox takes it; false: the time is over, or the actor is gone. */
  sendWhenRoom(pid: Pid, data: Data, options?: RoomOptions): Promise<boolean>
  /**
   * Sends a buffer of {@link allocateBuffer} without copying it; its view is empty from then on. False: the message was
   * refused, and the buffer is kept.
   *
   * @throws `NoSuchBuffer`
   */
  sendBuffer(pid: Pid, id: number): boolean
  /**
   * Asks an actor and waits for the answer: what its handler returns, or what {@link Mailbox.reply} sends. A question
   * whose time is over is not executed any more where it was still queued.
   *
   * Rejects with `AskTimeout`, with `AskFailed` where the actor ends before it answered, with `NoProcess` or
   * `MailboxFull` where it was refused.
   */
  ask(pid: Pid, data: Data, options?: AskOptions): Promise<Buffer>
  /** A handle to pass around. */
  actorRef(pid: Pid): ActorRef
  /** Messages that wait, notices not counted; `null` for a pid that no live actor has. */
  mailboxSize(pid: Pid): number | null
  /**
   * Says what happens to messages beyond the bounds of an actor of {@link NodeRuntime.spawnBounded}.
   *
   * @param target for `redirect`, and for `spill` if another actor is to get what overflows
   * @throws `NoProcess`, `InvalidArgument`
   */
  setOverflowPolicy(pid: Pid, policy: OverflowPolicy, target?: Pid): void

  // Timers: they end with their actor

  /** Sends a message after `delayMs` milliseconds; the timer's id. @throws `NoProcess` */
  sendAfter(pid: Pid, delayMs: number, data: Data): number
  /** Sends a message every `intervalMs` milliseconds, first after one interval; the timer's id. @throws `NoProcess` */
  sendInterval(pid: Pid, intervalMs: number, data: Data): number
  /** Cancels a timer. True only if it was still pending. */
  cancelTimer(id: number): boolean

  // Names and paths: they go when their actor ends

  /** Gives an actor a name. @throws `NameTaken`, `NoProcess`, `InvalidArgument` */
  register(name: string, pid: Pid): void
  /** Takes a name back; false: nobody had it. */
  unregister(name: string): boolean
  /** Who has the name. */
  whereis(name: string): Pid | null
  /** As {@link NodeRuntime.whereis}. */
  resolve(name: string): Pid | null
  /** Gives an actor a path such as `/services/mail`. @throws `NameTaken`, `NoProcess`, `InvalidArgument` */
  registerPath(path: string, pid: Pid): void
  /** Takes a path back; false: nobody had it. */
  unregisterPath(path: string): boolean
  /** Who has the path. */
  whereisPath(path: string): Pid | null
  /** All actors below a path, sorted. */
  listChildren(prefix: string): PathEntry[]
  /** The actors one level below a path, sorted. */
  listChildrenDirect(prefix: string): PathEntry[]

  // Other nodes: what is sent to a remote actor looks like any send

  /**
   * Listens for other nodes at `host:port`; port 0 takes a free one.
   *
   * @returns the address really bound.
   * @throws `ListenFailed`, `NotPermitted` for an address that others can reach without TLS, `InvalidArgument`
   */
  listen(address: string, options?: NodeOptions): string
  /** Makes this runtime a node without listening; needed only for other options than the defaults. @throws `InvalidArgument` */
  startMesh(options?: NodeOptions): void
  /**
   * Looks for the actor that has a name at another node. What is found is a pid of this runtime that stands for it, the same
   * for the same actor: a proxy. `null`: nobody has the name there, or the node cannot be reached.
   *
   * @example
   * const pid = await rt.resolveRemote('127.0.0.1:9000', 'mail')
   * if (pid !== null) rt.send(pid, 'hello')
   */
  resolveRemote(address: string, name: string): Promise<Pid | null>
  /**
   * Sends to an actor of another node, by its proxy or by the pid it has there. What is sent before the node answers waits
   * for it; what the node does not get, or take, is a dead letter. False: the node takes no more now, or the actor ended.
   */
  sendRemote(address: string, pid: Pid, data: Data): boolean
  /**
   * The proxy of an actor of another node. It exits when that actor or its node is gone, at the latest three heartbeats later:
   * links, monitors and supervisors are told. Rejects with `NodeDown` or `NoProcess`.
   */
  monitorRemote(address: string, pid: Pid): Promise<Pid>
  /** Whether a node answers at this address. */
  isNodeUp(address: string): Promise<boolean>
  /**
   * Tells a pull or observed actor which other nodes are up, and of each that comes and goes from now on, by NODE_UP and
   * NODE_DOWN notices. @throws `NoProcess`, `WrongActorKind`
   */
  monitorNodes(pid: Pid): void
  /** Ends that; false: the actor was not told of nodes. */
  demonitorNodes(pid: Pid): boolean
  /** A look at this node; `null` where the runtime is none. */
  meshInfo(): NodeInfo | null

  // Links and monitors

  /** Links two actors: each learns of the other's end by an EXIT notice. @throws `NoProcess` */
  link(a: Pid, b: Pid): void
  /** Takes a link back; false: there was none. */
  unlink(a: Pid, b: Pid): boolean
  /**
   * Monitors an actor: `watcher` gets one DOWN notice when it ends. The number to end the monitor with.
   *
   * @param watcher within a handler the actor that runs, if absent
   * @throws `NoProcess`, `InvalidArgument` where there is no watcher
   */
  monitor(pid: Pid, watcher?: Pid): number
  /** Ends a monitor; false: it had fired, or never was. */
  demonitor(monitor: number): boolean

  // Code

  /**
   * Gives an actor new code. The message in progress ends under the old code, every later one meets the new; none is lost
   * or reordered. A pull actor gets a HOT_SWAP notice, and the new function is called when the old one returns. The
   * version now in force.
   *
   * @throws `NoProcess`, `InvalidArgument`
   */
  hotSwap(pid: Pid, handler: Handler | MailboxHandler): number
  /** The version of an actor's code: 1 at its spawn. @throws `NoProcess` */
  behaviorVersion(pid: Pid): number
  /** Goes back some versions, one if `steps` is absent; the version now in force. @throws `NoProcess`, `InvalidArgument` */
  rollbackBehavior(pid: Pid, steps?: number): number

  // Ending

  /**
   * Ends an actor with reason `"Killed"`, before any message that is queued. A pull actor's `recv` gives `null`. False: no
   * live actor has this pid.
   */
  stop(pid: Pid): boolean
  /** Whether the actor takes messages. */
  isAlive(pid: Pid): boolean
  /** Waits until the actor has ended; false: the time is over. True at once for a pid that no actor has. */
  join(pid: Pid, seconds?: number | null, options?: WaitOptions): Promise<boolean>
  /** The actor whose handler is running; `null` outside of push handlers, and after the first `await` in one. */
  currentPid(): Pid | null
  /**
   * Closes the runtime in order: nothing is spawned any more, actors handle what is queued for so many seconds, then all
   * are ended, children before their parents.
   *
   * @param seconds default 5
   */
  shutdown(seconds?: number | null): Promise<ShutdownReport>
  /** Closes the runtime at once, also where a {@link NodeRuntime.shutdown} is under way. Closing again is no error. */
  close(): Promise<void>
  /** As {@link NodeRuntime.close}: `await using rt = new NodeRuntime()`. */
  [Symbol.asyncDispose](): Promise<void>

  // Supervision

  /** Lists an actor as a child of the runtime's supervisor until it ends. @throws `NoProcess` */
  watch(pid: Pid, strategy?: Strategy): void
  /** Puts the actors one level below a path under the runtime's supervisor. */
  watchPath(prefix: string): void
  /**
   * Replaces an actor by what `factory` returns whenever it ends for another reason than `"Normal"`; not called before. A
   * factory that fails is called again after a pause. {@link NodeRuntime.unsupervise} first where a stop is to be final.
   *
   * @param factory the pid of the replacement, or a promise of it
   * @throws `NoProcess`, `InvalidArgument`
   */
  superviseWithFactory(pid: Pid, factory: () => Pid | Promise<Pid>, strategy?: Strategy): void
  /** Takes an actor from its supervisor; false: it had none. */
  unsupervise(pid: Pid): boolean
  /** The runtime's own supervisor. */
  rootSupervisor(): Pid
  /** The children of a supervisor, the runtime's own if absent, in the order they were added. @throws `NoSupervisor` */
  childPids(supervisor?: Pid): Pid[]
  /** How many children {@link NodeRuntime.childPids} lists. */
  childrenCount(supervisor?: Pid): number
  /** Spawns a supervisor. @throws `NoSupervisor`, `InvalidArgument` */
  spawnSupervisor(options?: SupervisorOptions): Pid
  /**
   * Spawns an actor that its supervisor restarts in place: pid, name, path and queued messages stay, and `makeHandler` is
   * called for a fresh handler, with fresh state.
   *
   * @throws `NoSupervisor`, `NameTaken`, `InvalidArgument`
   * @example
   * const supervisor = rt.spawnSupervisor({ strategy: 'one_for_all', intensity: 5, period: 10 })
   * rt.startChild(supervisor, () => {
   *   let count = 0
   *   return () => `${++count}`
   * }, { name: 'counter' })
   */
  startChild(supervisor: Pid, makeHandler: () => Handler, options?: ChildOptions & { kind?: 'push' }): Pid
  startChild(supervisor: Pid, makeHandler: () => MailboxHandler, options: ChildOptions & { kind: 'pull' }): Pid
  /** Makes a supervisor of its own for a path; false: it had one. */
  createPathSupervisor(path: string): boolean
  /** Ends a path's supervisor, its children live on; false: it had none. */
  removePathSupervisor(path: string): boolean
  /** As {@link NodeRuntime.watch}, with a path's supervisor. @throws `NoSupervisor` */
  pathSupervisorWatch(path: string, pid: Pid): void
  /** The children of a path's supervisor. @throws `NoSupervisor` */
  pathSupervisorChildren(path: string): Pid[]
  /** As {@link NodeRuntime.superviseWithFactory}, with a path's supervisor. @throws `NoSupervisor` */
  pathSuperviseWithFactory(path: string, pid: Pid, factory: () => Pid | Promise<Pid>, strategy?: Strategy): void

  // Observed actors

  /** Takes what an observed actor has, oldest first. @throws `NoProcess`, `WrongActorKind` */
  getMessages(pid: Pid): ObservedMessage[]
  /**
   * Takes the first message the matcher accepts from an observed actor, and waits for one if there is none; the others
   * keep their order. `null`: the time is over.
   */
  selectiveRecv(
    pid: Pid,
    matcher: Matcher,
    seconds?: number | null,
    options?: WaitOptions,
  ): Promise<Buffer | SystemMessage | null>

  // Looking

  /** Counts over the whole runtime; walks all actors, about 10 ms for a million. */
  stats(): RuntimeStats
  /** A look at one actor; `null` for a pid that no live actor has. */
  actorInfo(pid: Pid): ActorInfo | null
  /** A look at all live actors; parents and children name each other. */
  tree(): ActorInfo[]
  /** Messages that were not delivered so far, by reason. */
  deadLetters(): DroppedCounts
  /** Tells a pull or observed actor of each message that is not delivered, by DEAD_LETTER notices; `null`: nobody. */
  listenDeadLetters(pid: Pid | null): void

  // The process

  /** Lets the process stay as long as actors live, as it does from the start. */
  ref(): this
  /** Lets the process exit though actors live. */
  unref(): this
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

/**
 * Writes certificates for development: an authority of one's own (`ca.pem`, `ca.key`), made where the directory has none, and
 * `NAME.pem` and `NAME.key` for each node. Whoever can read `ca.key` can be any node. @throws `InvalidArgument`, `NotPermitted`
 */
export declare function devCerts(directory: string, names: string[]): void

/** The version of the product. */
export declare function version(): string
