import { type MigrateReport, migrateSchema } from '../../db/schema/apply.ts'
import type { Database } from '../../db/server/connect.ts'
import { readSchemaSteps } from '../../files/schema-steps.ts'

/** As long as the function has: a step that takes longer has to be made smaller. */
const longestMs = 13 * 60_000

/** Brings the database's schema `viewkeeper` up to the steps in `folder`. See migrateSchema. */
export async function migrate(database: Database, folder: URL): Promise<MigrateReport> {
  const migrations = await readSchemaSteps(folder)
  return database.withConnection((sql) => migrateSchema(sql, migrations), {
    startUp: { application_name: 'viewkeeper migrate', statement_timeout: '600000', lock_timeout: '60000' },
    deadline: Date.now() + longestMs,
  })
}
