import { fromUrl } from '../../src/keeper/database-url.ts'
import { readFrozenMigrations } from '../../src/migrate/frozen-migrations.ts'
import { isAhead, migrateUp } from '../../src/migrate/migrate.ts'
import { frozenState } from '../../src/migrate/plan/frozen.ts'
import { migrate } from '../../src/own-schema/apply.ts'
import { schemaFolder } from '../../src/package-files.ts'
import type { Database } from '../../src/server/database.ts'
import { count, report, timed } from '../../src/terminal/report.ts'
import type { CommandTarget } from '../../src/words/commands.ts'
import { displayName } from '../../src/words/names.ts'
import { LocalProblem } from '../process.ts'

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
  /** Whether commands that name nothing ask another address than the usual one here. */
  asksElsewhere?: boolean
  /** Whether nobody calls the monitor, as if it had stopped. Default: false. */
  isMonitorStopped?: boolean | undefined
  /** Whether schedules, target lags and the monitor run on the database of DATABASE_URL, too. Default: false. */
  keepsFresh?: boolean | undefined
  /** Loads tables into the embedded database, and prints what was loaded. */
  loadTables?(url: string): Promise<void>
  /** Prints what the folder has and the database lacks, and what to do about it. */
  compare?(database: Database): Promise<void>
}

/** Brings schema `viewkeeper` of the database up to date, and prints what was done. */
export async function applySchemaSteps(database: Database): Promise<void> {
  const [{ applied, ahead }, ms] = await timed(() => migrate(database, schemaFolder))
  const done =
    applied.length > 0
      ? count(applied.length, 'schema step')
      : ahead.length > 0
        ? 'nothing to apply: a newer version of Viewkeeper has updated this database'
        : 'schema viewkeeper is up to date'
  report.done('schema', done, ms)
}

/** Connects to the database of DATABASE_URL, and prints its version, name and host. */
export async function describeDatabase(database: Database, url: string, command: string): Promise<void> {
  const look = database.withConnection(
    (sql) => sql`
      select current_setting('server_version') as version, current_database() as database,
             current_setting('is_superuser') = 'on' as "isSuperuser"`,
  )
  const [[row], ms] = await timed(() =>
    look.catch((cause: Error) => {
      throw new LocalProblem(
        `the PostgreSQL of DATABASE_URL cannot be used: ${cause.message} Without DATABASE_URL, ${command} runs one.`,
        { cause },
      )
    }),
  )
  const { host } = await fromUrl(url)({ fresh: false })
  report.done(`postgres ${row?.version.split(' ')[0]}`, `DATABASE_URL, ${row?.database} at ${host}`, ms)
  if (row?.isSuperuser)
    report.line(
      'warning: this login is a superuser. Deployed functions refuse superusers; npx viewkeeper create-role makes another login',
    )
}

const longestMs = 60_000

export interface MadeViews {
  /** Their names with their schemas, as people write them. */
  views: string[]
  /** The number of migrations that were applied. */
  applied: number
}

/**
 * Makes the views that a project has frozen. They stay empty, so that the first refresh can be seen. Refuses
 * (MigrationFailed) a database that has more migrations than the folder, or was migrated from another folder.
 */
export async function makeViews(
  database: Database,
  { migrations: folder, command }: Pick<LocalProject, 'migrations' | 'command'>,
): Promise<MadeViews> {
  const migrations = await readFrozenMigrations(folder)
  const { applied, ahead } = await migrateUp(
    {
      database,
      trigger: 'cli',
      requestedBy: command,
      waitUntil: Date.now() + longestMs,
      withData: false,
    },
    migrations,
  )
  if (ahead.length > 0) throw isAhead(ahead)
  const definitions = [...frozenState(migrations).values()]
  return {
    views: definitions.map(displayName),
    applied: applied.length,
  }
}
