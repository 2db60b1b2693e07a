import type postgres from 'postgres'

/** A connection: one session of the server. An `int8` is read as a number. */
export type Sql = postgres.Sql<{ bigint: number }>

/** A connection that the caller closes. */
export interface Connection {
  sql: Sql
  /** Closes the connection at once; the server may still work on the last message. */
  leave(): Promise<void>
  /** Resolves if the connection breaks before `leave`. Each later query on the connection fails at once. */
  broken: Promise<void>
}

/** Is called once for each notification that the connection gets. */
export type NotificationListener = (channel: string, payload: string) => void

interface WorkOptions {
  /** Settings of the session by name, in force before its first statement. */
  startUp?: Record<string, string>
  /** Leaves the login's own setting `jit` in force. Default: JIT is off. */
  jit?: boolean
  /** Tries to connect once, and does not wait for a server that is away. */
  once?: boolean
  /** The work writes: before it begins, a standby is refused (DatabaseReadOnly). */
  writes?: boolean
  /**
   * When the work is given up (epoch milliseconds; DatabaseUnavailable), because a server that has vanished never answers. The
   * time that connecting takes is added. Default: 20 s from the call.
   */
  deadline?: number
}

/** The database of one environment. Failures to connect, and known failures of the work, are Problems. */
export interface Database {
  /**
   * Calls `work` with a connection of its own, and closes the connection afterwards, also if the work fails; `leave` closes it
   * earlier. JIT is off: our statements take milliseconds, and compiling one that looks expensive takes hundreds.
   */
  withConnection<T>(
    work: (sql: Sql, leave: Connection['leave']) => Promise<T>,
    options?: WorkOptions,
  ): Promise<T>
  /** Opens a connection, which the caller closes. `onNotify` gets its notifications. */
  open(startUp: Record<string, string>, onNotify?: NotificationListener): Promise<Connection>
}
