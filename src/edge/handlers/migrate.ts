import * as z from 'zod'
import { createRole, ownerRole, readViewOwners } from '../../db/schema/role.ts'
import { readFrozenMigrations } from '../../files/frozen-migrations.ts'
import { checkViews } from '../../operations/migrations/check.ts'
import {
  isAhead,
  type MigrateCall,
  migrateDown,
  migrateUp,
  migrationStatus,
} from '../../operations/migrations/migrate.ts'
import { migrate } from '../../operations/schema/apply.ts'
import { describeViews } from '../../operations/views/describe.ts'
import { type FrozenMigration, frozenState } from '../../plan/migrations/frozen.ts'
import { validate } from '../http/validate.ts'
import {
  adminDatabaseFromEnvironment,
  databaseFromEnvironment,
  workingLogin,
} from '../server/configuration.ts'
import { logger } from '../server/function.ts'

/** What the function carries: the steps of our own schema, and the frozen migrations of the user's views. */
export interface MigrationFolders {
  schema: URL
  views: URL
}

/**
 * What `viewkeeper … --env` asks of the deployed function. A deploy's trigger says nothing: `up`. No command carries SQL:
 * what is compared and applied is what the deploy has put into the bundle.
 */
const commands = z.discriminatedUnion('command', [
  z.strictObject({ command: z.literal('up') }),
  z.strictObject({ command: z.literal('down'), count: z.int().min(1) }),
  z.strictObject({ command: z.literal('status') }),
  z.strictObject({ command: z.literal('check') }),
  z.strictObject({
    command: z.literal('describe'),
    views: z.union([z.literal('all'), z.array(z.string().min(1))]),
  }),
])

/** The longest that a migration is waited for: the function lives a little longer. */
const longestMs = 13 * 60_000

/** Serves a deploy, and the commands of whoever may invoke the function. Throws where a migration fails, which fails the deploy. */
export async function migrateOnDeploy(folders: MigrationFolders, event: unknown): Promise<object> {
  const asked = typeof event === 'object' && event !== null && 'command' in event
  const command = asked ? validate(commands, event, 'event') : { command: 'up' as const }
  const migrations = await readFrozenMigrations(folders.views)
  const call: MigrateCall = {
    database: databaseFromEnvironment(),
    trigger: asked ? 'cli' : 'deploy',
    requestedBy: asked ? 'viewkeeper migrate' : 'deploy',
    waitUntil: Date.now() + longestMs,
    withData: true,
    onDone: (done) => logger.info('migrated a view', { ...done }),
  }
  switch (command.command) {
    case 'up':
      return up(folders, call, migrations)
    case 'down':
      return migrateDown(call, migrations, command.count)
    case 'status':
      return migrationStatus(call.database, migrations)
    case 'check':
      return {
        ...(await migrationStatus(call.database, migrations)),
        differences: await checkViews(call.database, [...frozenState(migrations).values()]),
      }
    case 'describe':
      return { views: await describeViews(call.database, command.views) }
  }
}

/** Makes the role on a database that the stack made, then applies the steps of the schema, then the views' migrations. */
async function up(
  folders: MigrationFolders,
  call: MigrateCall,
  migrations: FrozenMigration[],
): Promise<object> {
  const admin = adminDatabaseFromEnvironment()
  if (admin !== undefined) {
    const { login, password } = await workingLogin()
    await admin.withConnection(async (sql) => {
      const { owners, leftOut } = await readViewOwners(sql)
      const { notGranted } = await createRole(sql, { login, password, viewOwners: owners })
      logger.info('role is ready', { role: ownerRole, login, notGranted, leftOut })
    })
  }
  const schema = await migrate(call.database, folders.schema)
  logger.info('migrated', { ...schema })
  const views = await migrateUp(call, migrations)
  // A stack that rolls back runs the function of before on the database of after: with nothing new to apply that is
  // a success, because failing here would leave the stack stuck half-way.
  if (views.ahead.length > 0) logger.warn(isAhead(views.ahead).message)
  return { ...schema, views }
}
