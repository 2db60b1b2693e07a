import { Problem } from '../problem.ts'
import { inTransaction, type Sql, withTransaction } from './connect.ts'
import { sqlstateOf } from './failures.ts'
import type { FrozenText } from './frozen-migrations.ts'

const concurrentIndex =
  /^\s*create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?("(?:[^"]|"")+"|[\w$]+)\s+on\s+(?:only\s+)?((?:"(?:[^"]|"")+"|[\w$]+)(?:\s*\.\s*(?:"(?:[^"]|"")+"|[\w$]+))?)/i

/**
 * Runs SQL that somebody wrote by hand, with the search path of our role, and what records it: all of it or nothing. An
 * index that is built `concurrently` cannot be part of a transaction: such a file holds only that, can be run again, and
 * is recorded when the index is valid.
 */
export async function runPlainSql(sql: Sql, frozen: FrozenText, record: string[]): Promise<void> {
  const bare = frozen.text.replace(/--[^\n]*/g, '')
  try {
    if (/\bindex\s+concurrently\b/i.test(bare)) return await buildConcurrently(sql, frozen, bare, record)
    await inTransaction(sql, async (part) => {
      await part`set local search_path to default`
      await part.unsafe(frozen.text).simple()
      await part`set local search_path to ''`
      for (const text of record) await part.unsafe(text)
    })
  } catch (error) {
    throw error instanceof Problem ? error : sqlFailed(`migrations/${frozen.file}`, frozen.text, error)
  }
}

async function buildConcurrently(
  sql: Sql,
  { file, text }: FrozenText,
  bare: string,
  record: string[],
): Promise<void> {
  const [, index, table] = concurrentIndex.exec(bare) ?? []
  if (index === undefined || table === undefined || bare.trim().replace(/;$/, '').includes(';')) {
    throw new Problem(
      'MigrationFailed',
      `migrations/${file}: create index concurrently has to be alone in its file, as "create index concurrently name on table (…);".`,
    )
  }
  await sql`set search_path to default`
  try {
    if ((await isValid(sql, index, table)) === false)
      await sql.unsafe(`drop index concurrently ${inSchemaOf(table, index)}`)
    if ((await isValid(sql, index, table)) === undefined) await sql.unsafe(text)
    if (!(await isValid(sql, index, table))) {
      throw new Problem(
        'MigrationFailed',
        `migrations/${file}: index ${index} is not valid. Nothing is recorded; run it again.`,
      )
    }
  } finally {
    await sql`set search_path to ''`
  }
  await withTransaction(sql, async (part) => {
    for (const statement of record) await part.unsafe(statement)
  })
}

/** Undefined where the table has no such index. */
async function isValid(sql: Sql, index: string, table: string): Promise<boolean | undefined> {
  const [row] = await sql<{ valid: boolean }[]>`
    select i.indisvalid as valid from pg_catalog.pg_index i
     where i.indrelid = to_regclass(${table}) and i.indexrelid = to_regclass(${inSchemaOf(table, index)})`
  return row?.valid
}

/** An index lives in its table's schema, whatever the search path. */
const inSchemaOf = (table: string, index: string): string => {
  const schema = /^((?:"(?:[^"]|"")+"|[\w$]+))\s*\./.exec(table)?.[1]
  return schema === undefined ? index : `${schema}.${index}`
}

/** What failed, in which line, and that nothing of it stays. */
export function sqlFailed(file: string, text: string, error: unknown): Problem {
  const { message, position } = error as { message: string; position?: string }
  const line = position === undefined ? '' : `, line ${text.slice(0, Number(position)).split('\n').length}`
  const sqlstate = sqlstateOf(error)
  return new Problem(
    'MigrationFailed',
    `${file}${line}: ${message} (${sqlstate ?? 'no SQLSTATE'}). The database is as it was before this step.`,
    { ...(sqlstate === undefined ? {} : { sqlstate }), cause: error },
  )
}
