import { toSetRole } from '../../catalog/plan/rights.ts'
import type { Sql } from '../../server/database.ts'
import { inTransaction } from '../../server/transactions.ts'
import { logSchema, ofLog, type QualifiedName, quoteIdentifier } from '../../sql/names.ts'
import { safePath } from '../../sql/settings.ts'

/** Less than the size of the longest log that is not made one row. */
const longBytes = 400_000

/** Makes one row, for all slices, of each log of changes that has grown long, as that of a view does that is paused or fails. A locked one waits for the next look. */
export async function foldLogs(sql: Sql): Promise<void> {
  const long = await sql<(QualifiedName & { owner: string })[]>`
    with long as materialized (
      select l.relname from pg_class l where l.relnamespace = to_regnamespace(${logSchema}) and l.relkind = 'r' and pg_relation_size(l.oid) > ${longBytes})
    select n.nspname as schema, c.relname as name, c.relowner::regrole::text as owner from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where exists (select from long) and c.relkind = 'm' and pg_has_role(c.relowner, ${sql.unsafe(toSetRole)})
       and exists (select from long l where ${sql.unsafe(ofLog('l.relname'))} = concat(n.nspname, '.', c.relname))`
  if (long.length === 0) return
  const { executeSealed } = await import('../../sealed/db/execute.ts')
  const { forget } = await import('../../slices/plan/forget.ts')
  for (const { owner, ...view } of long) {
    const seal = { role: owner, schema: quoteIdentifier(view.schema) }
    // What is in its way, rights of the owner among it, is said by drift.
    await inTransaction(sql, (part) => executeSealed(part, seal, forget(view, 'long'), safePath)).catch(
      () => {},
    )
  }
}
