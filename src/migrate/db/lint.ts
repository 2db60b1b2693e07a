import { findView } from '../../catalog/db/catalog.ts'
import type { ViewDefinition } from '../../catalog/plan/definition.ts'
import { executeSandboxed } from '../../rebuild/db/sandbox.ts'
import type { Sql } from '../../server/connect.ts'
import { readRolePath } from '../../server/role-path.ts'
import { undone } from '../../server/transactions.ts'
import { quoteIdentifier, quoteName } from '../../sql/names.ts'

const limitMs = 3000

/** The unique key of a view, and the query that may have rows in which it is null. */
export interface Key {
  /** As SQL writes them. */
  columns: string
  /** The owner of the view, as SQL writes the role. */
  role: string
  schema: string
  query: string
}

/** The unique key of the view that a definition has made; null if the view has none. */
export async function readKey(sql: Sql, definition: ViewDefinition): Promise<Key | null> {
  const { schema, sql: query } = definition
  const columns = (await findView(sql, definition))?.keyCandidate ?? null
  const [owner] = await sql<{ role: string }[]>`
    select relowner::regrole::text as role from pg_catalog.pg_class where oid = to_regclass(${quoteName(definition)})`
  return columns === null || owner === undefined ? null : { columns, ...owner, schema, query }
}

/**
 * Whether the key is null in some row of the query; false if there is no answer within `limitMs`. Execute it while we lock
 * nobody out.
 */
export async function isNullSomewhere(sql: Sql, { columns, role, schema, query }: Key): Promise<boolean> {
  const marker = crypto.randomUUID()
  const sandbox = { role, schema: quoteIdentifier(schema) }
  const path = await readRolePath(sql)
  try {
    await undone(sql, async (part) => {
      await part`select set_config('statement_timeout', ${String(limitMs)}, true)`
      await executeSandboxed(
        part,
        sandbox,
        failsWhere(`(${query}\n) as q where not (row(${columns}) is not null)`, marker),
        path,
      )
    })
    return false
  } catch (error) {
    // Any other error: the query is slow, or reads what is not there yet. Then nobody is warned.
    return (error as { constraint_name?: string }).constraint_name === marker
  }
}

/**
 * A statement that fails if `rows` has a row: a sandboxed statement cannot return one. The marker tells this failure from
 * those of the view's own code.
 */
function failsWhere(rows: string, marker: string): string {
  const tag = `$viewkeeper_${crypto.randomUUID().replaceAll('-', '')}$`
  return `do ${tag} begin if exists (select from ${rows}) then raise exception using constraint = '${marker}'; end if; end ${tag}`
}
