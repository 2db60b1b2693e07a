import type { Database } from '../server/connect.ts'
import { applySchema, type MigrateReport } from './db/apply.ts'
import { readSchemaSteps } from './schema-steps.ts'

/** Less than the function's 14 minutes. A schema step that takes longer has to be made smaller. */
const longestMs = 13 * 60_000

/** Applies the schema steps in `folder` that the database lacks. See applySchema. */
export async function migrate(database: Database, folder: URL): Promise<MigrateReport> {
  const steps = await readSchemaSteps(folder)
  return database.withConnection((sql) => applySchema(sql, steps), {
    startUp: { application_name: 'viewkeeper migrate', statement_timeout: '600000', lock_timeout: '60000' },
    deadline: Date.now() + longestMs,
  })
}
