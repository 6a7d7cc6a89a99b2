// Mesh: how a runtime is a node among others.

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
  /**
   * IP addresses and host names of others that speak version 1 of the protocol, which proves nobody's identity; without them it is
   * spoken on loopback alone. At most 64.
   */
  v1Hosts?: readonly string[]
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

/** How a name is given. */
export interface RegisterOptions {
  /**
   * Whether all members of the mesh find the actor by this name, with `whereis` and whatever takes a name. Of several that claim
   * a name at once, who was first keeps it, and the others end with `NameConflict`. A name that an actor of a node has for
   * itself hides the global one there. Default false.
   */
  global?: boolean
}

/**
 * Writes certificates for development: an authority of one's own (`ca.pem`, `ca.key`), made where the directory has none, and
 * `NAME.pem` and `NAME.key` for each node. Whoever can read `ca.key` can be any node. @throws `InvalidArgument`, `NotPermitted`
 */
export declare function devCerts(directory: string, names: string[]): void
