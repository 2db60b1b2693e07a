import * as z from 'zod/mini'
import type { MigrateCall } from '../../migrate/apply-migrations.ts'
import { readFrozenMigrations } from '../../migrate/frozen-migrations.ts'
import { bringUp, isAhead, migrateDown, migrationStatus } from '../../migrate/migrate.ts'
import { type FrozenMigration, frozenState } from '../../migrate/plan/frozen.ts'
import { migrate } from '../../own-schema/apply.ts'
import { ownerRole } from '../../own-schema/db/role.ts'
import { readWaitingSeconds } from '../../record/events/outbox.ts'
import { beginMonitoring, readLasting } from '../../record/watch/looks.ts'
import { copyLine, readCopy } from '../../server/standbys.ts'
import { integer, mostInteger, text, validate } from '../request-fields.ts'
import type { Administration, Configuration } from './configuration.ts'
import { logger, withoutWaiting } from './lifetime.ts'

/**
 * The folders in the function's bundle: our own schema steps, and the frozen migrations of the user's views.
 */
export interface MigrationFolders {
  schema: URL
  views: URL
}

const views = z.union([z.literal('all'), z.array(text(1000))], 'must be all, or a list of names of views')

/**
 * The commands that `viewkeeper … --env` sends to the deployed function. No command carries SQL: the function
 * uses only the files that the deploy has put into its bundle.
 */
const commands = z.discriminatedUnion(
  'command',
  [
    z.strictObject({ command: z.literal('up'), repair: z.optional(z.boolean()) }),
    z.strictObject({ command: z.literal('down'), count: integer(1, mostInteger) }),
    z.strictObject({ command: z.literal('status') }),
    z.strictObject({ command: z.literal('drift') }),
    z.strictObject({ command: z.literal('describe'), views }),
    z.strictObject({
      command: z.literal('doctor'),
      views,
      role: z.nullable(text(1000)),
      slices: z.optional(z.boolean()),
    }),
  ],
  'must be one of up, down, status, drift, describe, doctor',
)

/** The longest wait for the migrations; the function lives a little longer. */
const longestMs = 13 * 60_000

const isRollback = (event: unknown): boolean => (event as { rollback?: unknown } | null)?.rollback === true

type MigratedEnvironment = Pick<Configuration, 'database' | 'administration' | 'viewMigrations'> &
  Partial<Pick<Configuration, 'environment'>>

/**
 * Serves deploys, and the commands of everybody who may invoke the function. An event without a command is a
 * deploy's and means `up`. A migration that fails is thrown, which fails the deploy. Without `viewMigrations` a deploy
 * applies only the schema steps; the commands work all the same, so that a person can bring the views up later on. A rollback
 * does not wait for a database that is away, since it goes on without the database.
 */
export function serveMigrations(
  event: unknown,
  folders: MigrationFolders,
  served: MigratedEnvironment,
): Promise<object> {
  const work = () => serve(event, folders, served)
  return isRollback(event) ? withoutWaiting(work) : work()
}

async function serve(
  event: unknown,
  folders: MigrationFolders,
  { environment, database, administration, viewMigrations }: MigratedEnvironment,
): Promise<object> {
  const isCommand = typeof event === 'object' && event !== null && 'command' in event
  const command = isCommand ? validate(commands, event, 'event') : { command: 'up' as const, repair: false }
  const migrations = await readFrozenMigrations(folders.views)
  const call: MigrateCall = {
    database,
    trigger: isCommand ? 'cli' : 'deploy',
    requestedBy: isCommand ? 'viewkeeper migrate' : 'deploy',
    waitUntil: Date.now() + longestMs,
    withData: true,
    onDone: (done) => logger.info('migrated a view', { ...done }),
  }
  switch (command.command) {
    case 'up':
      if (administration !== undefined) await makeRole(administration, folders.schema)
      if (!isCommand && !viewMigrations) {
        logger.warn('this deploy leaves the migrations of views out')
        return upOfSchema(folders, call, environment)
      }
      return up(folders, call, migrations, { ...command, environment })
    case 'down':
      return migrateDown(call, migrations, command.count)
    case 'status':
      return migrationStatus(database, migrations)
    // What few calls need is loaded by these calls.
    case 'drift': {
      const { readDrift } = await import('../../migrate/drift.ts')
      return {
        ...(await migrationStatus(database, migrations)),
        differences: await readDrift(database, [...frozenState(migrations).values()]),
      }
    }
    case 'describe': {
      const { describeViews } = await import('../../migrate/describe.ts')
      return { views: await describeViews(database, command.views) }
    }
    case 'doctor': {
      const { doctor } = await import('../../watch/doctor.ts')
      return doctor(database, command, environment ?? null)
    }
  }
}

/** Makes the role that Viewkeeper works with, as the administrator of the server. */
async function makeRole(
  { database, workingLogin, connectionLimit, usesTokens }: Administration,
  schema: URL,
): Promise<void> {
  const login = { ...(await workingLogin()), connectionLimit }
  const { createRole } = await import('../../own-schema/create-role.ts')
  await database.withConnection(async (sql) => {
    const { done, missing } = await createRole(sql, schema, {
      ...login,
      owners: null,
      ownViews: null,
      acceptsTokensOnly: usesTokens,
    })
    logger.info('role is ready', { role: ownerRole, login: login.login, done, missing })
  })
}

/** Applies the schema steps. */
async function upOfSchema(
  folders: MigrationFolders,
  call: MigrateCall,
  environment: string | undefined,
): Promise<object> {
  const schema = await migrate(call.database, folders.schema)
  logger.info('migrated', { ...schema })
  if (call.trigger === 'deploy') await call.database.withConnection(beginMonitoring)
  const { aside, waitingSeconds, copy } = await call.database.withConnection(async (sql) => ({
    aside: (await readLasting(sql)).aside,
    waitingSeconds: await readWaitingSeconds(sql),
    copy: await readCopy(sql),
  }))
  if (call.trigger === 'deploy' && environment !== undefined) {
    // The numbers by which alarms know that somebody looks. In a first deploy the alarms are made after this, and before the
    // first look, which may be an hour away: what is missing would be silence.
    const { publishViews, publishWaiting } = await import('./publish.ts')
    publishViews(environment, 'aside', aside.length)
    publishWaiting(environment, waitingSeconds)
  }
  if (copy !== null) logger.warn(copyLine(copy, environment ?? null))
  return schema
}

/**
 * Applies the schema steps, then the frozen migrations of the views. Missing views are only named, unless `repair` asks to
 * make them again: a deploy does not fail because somebody has dropped a view.
 */
async function up(
  folders: MigrationFolders,
  call: MigrateCall,
  migrations: FrozenMigration[],
  { repair, environment }: { repair?: boolean | undefined; environment: string | undefined },
): Promise<object> {
  const schema = await upOfSchema(folders, call, environment)
  const views = await bringUp(call, migrations, { repair })
  // A stack that rolls back runs the old function on the new database. If nothing has to be applied, the call
  // succeeds: a failure would leave the stack half-way.
  if (views.ahead.length > 0) logger.warn(isAhead(views.ahead).message)
  if (views.missing.length > 0) logger.warn('views are missing', { missing: views.missing })
  return { ...schema, views }
}
