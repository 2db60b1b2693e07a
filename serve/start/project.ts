import type { Database } from '../../src/server/connect.ts'
import type { CommandTarget } from '../../src/sql/commands.ts'

/** A PostgreSQL that this process has started. */
interface LocalServer {
  url: string
  version: string
  stop(): Promise<void>
  /** Resolves when the server has ended, whoever ended it. */
  ended: Promise<void>
}

/** Whose views are served, and what is special about them. */
export interface LocalProject {
  /** What people type to serve them: `npm start`. */
  command: string
  /** What people type for the address of the embedded database. */
  addressCommand: string
  /** Starts a PostgreSQL that keeps its data in the folder. */
  startServer(options: { folder: string }): Promise<LocalServer>
  /** The frozen migrations that make the views of the embedded database. */
  migrations: URL
  /** The view that commands to copy name, if it exists. Default: the first one. */
  example?: string
  /** How commands to copy name the local gateway. Default: not at all. */
  target?: () => CommandTarget
  /** Whether nobody calls the monitor, as if it had stopped. Default: false. */
  isMonitorStopped?: boolean | undefined
  /** Whether schedules, target lags and the monitor run on the database of DATABASE_URL, too. Default: false. */
  keepsFresh?: boolean | undefined
  /** Loads tables into the embedded database, and prints what was loaded. */
  loadTables?(url: string): Promise<void>
  /** Prints what the folder has and the database lacks, and what to do about it. */
  compare?(database: Database): Promise<void>
}
