import { databaseFromEnvironment } from '../../src/edge/server/configuration.ts'
import { readFrozenMigrations } from '../../src/files/frozen-migrations.ts'
import { migrateUp } from '../../src/operations/migrations/migrate.ts'
import { frozenState } from '../../src/plan/migrations/frozen.ts'
import { type ScheduledView, scheduledViews } from '../../src/plan/views/scheduled.ts'

const longestMs = 60_000

interface DemoViews {
  views: string[]
  scheduled: ScheduledView[]
  /** How many migrations were applied. */
  applied: number
}

/**
 * Makes the demo's views, authored in `views/` and frozen in `migrations/` beside this file, in the database in
 * DATABASE_URL. They are left empty, for their first refresh is worth seeing. Gives their names and those of them that
 * have schedules.
 */
export async function makeDemoViews(): Promise<DemoViews> {
  const migrations = await readFrozenMigrations(new URL('./migrations/', import.meta.url))
  const { applied } = await migrateUp(
    {
      database: databaseFromEnvironment(),
      trigger: 'cli',
      requestedBy: 'npm start',
      waitUntil: Date.now() + longestMs,
      withData: false,
    },
    migrations,
  )
  const definitions = [...frozenState(migrations).values()]
  return {
    views: definitions.map(({ name }) => name),
    scheduled: scheduledViews(definitions),
    applied: applied.length,
  }
}
