import type postgres from 'postgres'

/** A connection, one session of the server. */
export type Sql = postgres.Sql<{ bigint: number }>

/** A connection that the caller closes. */
export interface Connection {
  sql: Sql
  /** Closes the connection at once; the server may still work on the last message. */
  leave(): Promise<void>
  /** Settles if the connection breaks before `leave`. Every later query on the connection fails at once. */
  broken: Promise<void>
}

/** Receives each notification. */
export type NotificationListener = (channel: string, payload: string) => void

interface WorkOptions {
  /** The session's settings, in force from its first moment. */
  startUp?: Record<string, string>
  /** Whether the login's JIT is left as it is. Default: it is off. */
  jit?: boolean
  /** Whether the login is tried once: a server that is away is not waited for. */
  once?: boolean
  /** Whether the work writes: a standby is refused before it begins (DatabaseReadOnly). */
  writes?: boolean
  /**
   * The work is given up at this time (epoch milliseconds), because a server that has vanished never answers. The wait for the
   * connection does not count.
   */
  deadline?: number
}

/** The database of one environment; each piece of work has a connection of its own. */
export interface Database {
  /**
   * Calls `work` with a connection of its own, and always closes the connection afterwards; `leave` does so earlier. JIT is
   * off: our own statements take milliseconds, and compiling one that looks expensive takes hundreds.
   */
  withConnection<T>(
    work: (sql: Sql, leave: Connection['leave']) => Promise<T>,
    options?: WorkOptions,
  ): Promise<T>
  /** Opens a connection. `onNotify` receives its notifications. */
  open(startUp: Record<string, string>, onNotify?: NotificationListener): Promise<Connection>
}
