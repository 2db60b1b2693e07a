import type { Database } from '../db/connect.ts'
import { type MigrateReport, migrateSchema } from '../db/migrate.ts'
import { readMigrations } from '../db/migrations.ts'

/** Brings the database's schema `viewkeeper` up to the steps in `folder`. See migrateSchema. */
export async function migrate(database: Database, folder: URL): Promise<MigrateReport> {
  const migrations = await readMigrations(folder)
  return database.withConnection((sql) => migrateSchema(sql, migrations), {
    application_name: 'viewkeeper migrate',
    statement_timeout: '600000',
    lock_timeout: '60000',
  })
}
