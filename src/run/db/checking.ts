import type { Checks } from '../../catalog/plan/checks.ts'
import { type Checking, checkingOf, madeChecks } from '../../rebuild/plan/check-data.ts'
import type { Sql } from '../../server/connect.ts'
import type { QualifiedName } from '../../sql/names.ts'

/** How many rows a view had after its last success, as far as that run counted them. */
async function readLastRows(sql: Sql, definitionId: number): Promise<number | null> {
  const [row] = await sql<{ rows: number | null }[]>`
    select coalesce((select (c ->> 'counted')::int8 from jsonb_array_elements(r.checks) c where c ->> 'name' = 'rows'),
                    r.row_count_after) as rows
      from viewkeeper.runs r
     where r.definition_id = ${definitionId} and r.status = 'success' and r.filled is not null
     order by r.id desc limit 1`
  return row?.rows ?? null
}

/** What the only check of this transaction has found: see `measureCheck`. */
export async function readMadeCheck(sql: Sql): Promise<{ rows: number; ms: number }> {
  const [row] = await sql<[{ rows: number; ms: number }]>`
    select (c ->> 'rows')::int8 as rows, (c ->> 'ms')::float8 as ms
      from jsonb_array_elements(current_setting(${madeChecks})::jsonb) c`
  return row
}

/**
 * What is checked of the new data of a view; null without checks. Reads how many rows the last success left, if a check compares
 * with that.
 */
export async function readChecking(
  sql: Sql,
  { id, checks }: { id: number; checks: Checks },
): Promise<Checking | null> {
  const lastRows = checks.rows?.changeAtMost === undefined ? null : await readLastRows(sql, id)
  const checking = checkingOf({ checks }, lastRows)
  return checking && { ...checking, refreshes: true }
}

/** The same for the view of this name; null if it has no definition, too. */
export async function readCheckingOf(sql: Sql, { schema, name }: QualifiedName): Promise<Checking | null> {
  const [row] = await sql<{ id: number; checks: Checks }[]>`
    select id, checks from viewkeeper.definitions where schema_name = ${schema} and name = ${name}`
  return row === undefined ? null : readChecking(sql, row)
}
