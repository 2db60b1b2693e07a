import { readFrozenMigrations } from '../../src/db/frozen-migrations.ts'
import { databaseFromEnvironment } from '../../src/edge/settings.ts'
import { migrateUp } from '../../src/operations/migrate-views.ts'
import { frozenState } from '../../src/plan/frozen.ts'

const longestMs = 60_000

/**
 * Makes the demo's views, authored in `views/` and frozen in `migrations/` beside this file, in the database in
 * DATABASE_URL. They are left empty, for their first refresh is worth seeing. Gives their names and how many changes
 * there were.
 */
export async function makeDemoViews(): Promise<{ views: string[]; applied: number }> {
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
  return { views: [...frozenState(migrations).values()].map(({ name }) => name), applied: applied.length }
}
