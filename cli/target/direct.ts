import { optionsOf, saidToDatabase } from '../../src/config/variables.ts'
import { fromUrl } from '../../src/keeper/database-url.ts'
import type { MigrateCall } from '../../src/migrate/apply-migrations.ts'
import { describeViews } from '../../src/migrate/describe.ts'
import { readDrift } from '../../src/migrate/drift.ts'
import { readFrozenMigrations } from '../../src/migrate/frozen-migrations.ts'
import {
  bringUp,
  isAhead,
  migrateDown,
  migrationStatus,
  readableStatus,
  refuseOtherFolders,
} from '../../src/migrate/migrate.ts'
import { frozenState } from '../../src/migrate/plan/frozen.ts'
import { migrate } from '../../src/own-schema/apply.ts'
import { schemaFolder } from '../../src/package-files.ts'
import { connectTo } from '../../src/server/connect.ts'
import type { Database } from '../../src/server/database.ts'
import { person } from '../../src/terminal/report.ts'
import { doctor } from '../../src/watch/doctor.ts'
import { Problem } from '../../src/words/problem.ts'
import { local } from '../api/api-of.ts'
import { readConfig, readFolders } from '../project/folders.ts'
import type { MigrationTarget } from './deployed.ts'

/**
 * The database of DATABASE_URL; `VIEW_OWNER` owns the views that are created there. Without DATABASE_URL, the refusal names
 * `otherWay`, if there is one.
 */
export function databaseFromUrl(
  otherWay: string | null = 'name a deployed environment with --env',
): Database {
  const url = process.env.DATABASE_URL
  if (url) return connectTo(fromUrl(url), saidToDatabase(optionsOf(process.env)))
  throw new Problem(
    'InvalidRequest',
    `DATABASE_URL is not set. Set it to postgres://user:password@host:5432/database${otherWay === null ? '' : `, or ${otherWay}`}.`,
    { field: 'DATABASE_URL' },
  )
}

/** The longest wait for a migration: building a big view may take hours. */
const longestMs = 86_400_000

/** The database of DATABASE_URL as a target, reached directly. */
function directTarget(database: Database): MigrationTarget {
  const call = (more: Partial<MigrateCall> = {}): MigrateCall => ({
    database,
    trigger: 'cli',
    requestedBy: person(),
    waitUntil: Date.now() + longestMs,
    withData: true,
    ...more,
  })
  const read = async () => {
    const migrations = await readFrozenMigrations((await readFolders()).migrations)
    await refuseOtherFolders(database, migrations)
    return migrations
  }
  return {
    async up({ withData, repair }, onDone) {
      const migrations = await read()
      await migrate(database, schemaFolder)
      const { ahead, ...done } = await bringUp(call({ withData, onDone }), migrations, { repair })
      if (ahead.length > 0) throw isAhead(ahead)
      return done
    },
    down: async (count, onDone) => (await migrateDown(call({ onDone }), await read(), count)).undone,
    status: async () => migrationStatus(database, await read()),
    async drift() {
      const migrations = await read()
      const differences = await readDrift(database, [...frozenState(migrations).values()])
      const status = await readableStatus(database, migrations)
      return { differences, pending: status?.pending ?? null, missing: status?.missing ?? [] }
    },
    describe: (views) => describeViews(database, views),
    doctor: (request, typed) => doctor(database, request, typed),
  }
}

/** The deployed environment that `--env` names, or the database in DATABASE_URL, which `serve` or the local gateway serves. Only the first loads a client of AWS. */
export async function targetOf({ env }: { env?: string }): Promise<MigrationTarget> {
  const isDeployed = env !== undefined && env !== local && (await readConfig()).serve.environment !== env
  if (isDeployed) return (await import('./deployed.ts')).deployedTarget(env)
  return directTarget(databaseFromUrl())
}
