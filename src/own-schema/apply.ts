import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import type { Database } from '../server/database.ts'
import { Problem } from '../words/problem.ts'
import { applySchema, type MigrateReport, type SchemaStep } from './db/apply-steps.ts'

const fileName = /^(\d{3})_[a-z0-9_]+\.sql$/

/** Reads the numbered files of a folder, in order. Refuses gaps, double numbers and names that are not `001_words.sql`. */
export async function readSchemaSteps(folder: URL): Promise<SchemaStep[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  return Promise.all(
    files.map(async (file, index) => {
      const number = Number(fileName.exec(file)?.[1] ?? Number.NaN)
      if (number !== index + 1) {
        throw new Problem(
          'MigrationFailed',
          `${file} should be number ${String(index + 1).padStart(3, '0')}: schema steps are called 001_words.sql, 002_..., without gaps.`,
        )
      }
      const sql = (await readFile(new URL(file, folder), 'utf8')).replaceAll('\r\n', '\n')
      return {
        number,
        name: file.slice(0, -4),
        sql,
        checksum: createHash('sha256').update(sql).digest('hex'),
      }
    }),
  )
}

/** What the steps name: all that Viewkeeper has in its schema. */
export const namesIn = (steps: SchemaStep[]): string[] => [
  'schema_steps',
  ...steps.flatMap(({ sql }) =>
    [...sql.matchAll(/^create (?:table|view|function) viewkeeper\.(\w+)/gm)].map(([, name]) => name!),
  ),
]

/** Less than the function's 14 minutes. A schema step that takes longer has to be made smaller. */
const longestMs = 13 * 60_000

/** Applies the schema steps in `folder` that the database lacks. See applySchema. */
export async function migrate(database: Database, folder: URL): Promise<MigrateReport> {
  const steps = await readSchemaSteps(folder)
  return database.withConnection((sql) => applySchema(sql, steps), {
    startUp: { application_name: 'viewkeeper migrate', statement_timeout: '600000', lock_timeout: '60000' },
    deadline: Date.now() + longestMs,
    writes: true,
  })
}
