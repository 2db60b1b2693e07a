import { readFrozenMigrations } from '../../src/migrate/frozen-migrations.ts'
import { isAhead, migrateUp } from '../../src/migrate/migrate.ts'
import { frozenState } from '../../src/migrate/plan/frozen.ts'
import type { Database } from '../../src/server/connect.ts'
import { displayName } from '../../src/sql/names.ts'
import type { LocalProject } from './project.ts'

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
