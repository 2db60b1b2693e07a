import type { Database } from '../../src/db/server/connect.ts'
import { readFrozenMigrations } from '../../src/files/frozen-migrations.ts'
import { migrateUp } from '../../src/operations/migrations/migrate.ts'
import { frozenState } from '../../src/plan/migrations/frozen.ts'
import { type ScheduledView, scheduledViews } from '../../src/plan/views/scheduled.ts'

const longestMs = 60_000

interface DemoViews {
  views: string[]
  scheduled: ScheduledView[]
  /** The number of migrations that were applied. */
  applied: number
}

/**
 * Makes the demo's views, which are authored in `views/` and frozen in `migrations/` next to this file. The
 * views stay empty, so that the first refresh can be seen.
 */
export async function makeDemoViews(database: Database): Promise<DemoViews> {
  const migrations = await readFrozenMigrations(new URL('./migrations/', import.meta.url))
  const { applied } = await migrateUp(
    {
      database,
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
