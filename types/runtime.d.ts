// Runtime: the class that offers everything, and the handle of one actor.

import type { IrisError } from './errors.js'
import type { ActorInfo, DroppedCounts, PathEntry, RuntimeStats, ShutdownReport } from './inspection.js'
import type { Mailbox, MailboxHandler } from './mailbox.js'
import type { NodeInfo, NodeOptions, RegisterOptions } from './mesh.js'
import type { AskOptions, Data, Handler, Matcher, ObservedMessage, OverflowPolicy, Pid, RoomOptions, SystemMessage, WaitOptions } from './messages.js'
import type { ChildOptions, Strategy, SupervisorOptions } from './supervision.js'

/** Where failures are told, and what happens between nodes; `console` is one. */
export interface Logger {
  error(message: string, ...details: unknown[]): void
  /** What of the mesh is worth a look; without it `error` is told. */
  warn?(message: string): void
  /** What happens in order, as nodes that come and go. The `console` is not told. */
  info?(message: string): void
  /** For whoever looks for a fault. The `console` is not told. */
  debug?(message: string): void
}

/** How a runtime is made. */
export interface RuntimeOptions {
  /**
   * Told of each actor that crashes, each factory that fails, and of what is worth a look in the mesh, each at most ten lines
   * a second. Default `console`; `null`: nobody.
   */
  logger?: Logger | null
  /**
   * The most actors at once, among them supervisors and the proxies of actors of other nodes: a spawn beyond throws
   * `LimitReached`. From 1 to 268435456, the default.
   */
  actorsMax?: number
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
  /**
   * Sends as soon as the mailbox takes it; false: the time is over, or the actor is gone.
   *
   * @throws `InvalidArgument` for a message larger than the actor's node takes
   */
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
  /** A handle of a live actor, to pass around. @throws `NoProcess` */
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
  register(name: string, pid: Pid, options?: RegisterOptions): void
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
   * Joins other nodes, and all nodes that those have joined: each member is connected with each, also with those that come later.
   * This node must listen, at an address that the others can dial.
   *
   * @param addresses `host:port` of some members, tried time and again, so that nodes may start in any order; a host may be a
   * DNS name of many nodes. An empty array waits for others to come.
   * @throws `InvalidArgument`, `NotPermitted` for an address that others can reach without TLS
   */
  joinMesh(addresses: readonly string[]): void
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
   * are ended, children before their parents. A pull function that awaits it is reported as unfinished, and an async handler that
   * does holds it up for the whole time: better they call it and return.
   *
   * @param seconds default 5
   * @throws IrisError `LimitReached`: there is no thread to be had for it; the runtime goes on.
   */
  shutdown(seconds?: number | null): Promise<ShutdownReport>
  /** Closes the runtime at once, also where a {@link NodeRuntime.shutdown} is under way. Closing again is no error. Rejects as it does. */
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

/** The version of the product. */
export declare function version(): string
