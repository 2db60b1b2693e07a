import { toSetRole } from '../../catalog/plan/rights.ts'
import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { mayUse } from '../../server/own-rights.ts'
import { inTransaction } from '../../server/transactions.ts'
import { keptMark, literal, queryViewOf, quoteName } from '../../sql/names.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'

/** Whether this login may read what `markAgain` goes by. */
export const mayMark = async (sql: Sql): Promise<boolean> =>
  (await mayUse(sql, 'select', 'runs')) && (await mayUse(sql, 'select', 'definitions'))

/**
 * Puts the comment back by which the query of an incremental table is known, where it is lost: the record says which tables a run has filled. Returns whether there
 * was any, of this name or of all.
 */
export async function markAgain(sql: Sql, name: QualifiedName | null = null): Promise<boolean> {
  const lost = await sql<{ owner: string; query: string }[]>`
    select t.relowner::regrole::text as owner, q.oid::regclass::text as query
      from viewkeeper.definitions d join pg_catalog.pg_namespace n on n.nspname = d.schema_name
      join pg_catalog.pg_class t on t.relnamespace = n.oid and t.relname = d.name and t.relkind = 'r'
      join pg_catalog.pg_class q on q.relnamespace = n.oid and q.relname = (d.name || '_query')::name and q.relkind = 'v' and q.relowner = t.relowner
     cross join lateral viewkeeper.last_success(d.id) filler(id) join viewkeeper.runs r on r.id = filler.id
     where (string_to_array(r.filled, ' '))[1:2] = (string_to_array(viewkeeper.filling(t.oid), ' '))[1:2]
       and obj_description(q.oid, 'pg_class') is distinct from ${keptMark} and pg_has_role(t.relowner, ${sql.unsafe(toSetRole)})
       and ${name === null ? sql`true` : sql`(d.schema_name, d.name) = (${name.schema}, ${name.name})`}`
  let marked = 0
  for (const { owner, query } of lost)
    await inTransaction(sql, async (part) => {
      const [{ before }] = await part<[{ before: string }]>`
        select current_setting('lock_timeout') as before, set_config('lock_timeout', '100ms', true)`
      await part.unsafe(
        `set local role ${owner}; comment on view ${query} is ${literal(keptMark)}; reset role; select set_config('lock_timeout', ${literal(before)}, true)`,
      )
      marked++
    }).catch((error) => {
      // Somebody is altering it: next time.
      if (sqlstateOf(error) !== '55P03') throw error
    })
  return marked > 0
}

/** What to type if a table is a kept one whose query has lost the comment, as far as the catalog tells, as a sentence; null: it is none. */
export async function sinceUnmarked(sql: Sql, name: QualifiedName): Promise<string | null> {
  const query = queryViewOf(name)
  const columns = (of: string) =>
    `(select jsonb_agg(jsonb_build_array(a.attname, a.atttypid) order by a.attnum) from pg_attribute a where a.attrelid = ${of}.oid and a.attnum > 0 and not a.attisdropped)`
  const found = await sql`
    select from pg_catalog.pg_class t join pg_catalog.pg_class q on q.relnamespace = t.relnamespace and q.relowner = t.relowner
     where t.oid = to_regclass(${quoteName(name)}) and t.relkind = 'r' and q.oid = to_regclass(${quoteName(query)}) and q.relkind = 'v'
       and ${sql.unsafe(columns('t'))} = ${sql.unsafe(columns('q'))} and obj_description(q.oid, 'pg_class') is distinct from ${keptMark}`
  return found.length === 0
    ? null
    : `${displayName(name)} is a table. If refreshes keep the rows of ${displayName(query)} in it, that has lost the comment that says so: comment on view ${quoteName(query)} is ${literal(keptMark)}`
}
