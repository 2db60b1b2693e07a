import type { Database } from '../server/connect.ts'
import { mayReadJournal, readViewJournal } from './db/journal.ts'
import type { FrozenMigration } from './plan/frozen.ts'
import { insistOnOwnFolder } from './plan/journal.ts'

/**
 * Refuses (MigrationFailed) a database that was migrated from another folder, before anything is written. A login
 * that may not read which migrations the database has is not refused: it writes nothing.
 */
export const refuseOtherFolders = (database: Database, migrations: FrozenMigration[]): Promise<void> =>
  database.withConnection(async (sql) => {
    if (await mayReadJournal(sql)) insistOnOwnFolder(migrations, await readViewJournal(sql))
  })
