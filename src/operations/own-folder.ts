import type { Database } from '../db/connect.ts'
import type { FrozenMigration } from '../db/frozen-migrations.ts'
import { insistOnOwnFolder, readViewJournal } from '../db/view-migrations.ts'

/** Refuses (MigrationFailed) a database that was migrated from another folder, before anything is written for it. */
export const refuseOtherFolders = (database: Database, migrations: FrozenMigration[]): Promise<void> =>
  database.withConnection(async (sql) => insistOnOwnFolder(migrations, await readViewJournal(sql)))
