import { toSetRole } from '../../catalog/plan/rights.ts'
import type { Sql } from '../../server/database.ts'
import { inTransaction, unlessLocked } from '../../server/transactions.ts'
import { logSchema, ofLog, type QualifiedName, quoteIdentifier } from '../../sql/names.ts'
import { safePath } from '../../sql/settings.ts'

/** Less than the size of the longest log that is not made one row. */
const longBytes = 400_000

/** The views whose logs have grown long. The size of a relation takes a lock on it, so none is asked of others. */
const readLong = (sql: Sql) => sql<(QualifiedName & { owner: string })[]>`
    with long as materialized (
      select l.relname from pg_class l where case when l.relnamespace = to_regnamespace(${logSchema}) and l.relkind = 'r' then pg_relation_size(l.oid) > ${longBytes} end)
    select n.nspname as schema, c.relname as name, c.relowner::regrole::text as owner from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where exists (select from long) and c.relkind = 'm' and pg_has_role(c.relowner, ${sql.unsafe(toSetRole)})
       and exists (select from long l where ${sql.unsafe(ofLog('l.relname'))} = concat(n.nspname, '.', c.relname))`

/** Makes one row, for all slices, of each log of changes that has grown long, as that of a view does that is paused or fails. A locked one waits for the next look. */
export async function foldLogs(sql: Sql): Promise<void> {
  const long = (await unlessLocked(sql, readLong)) ?? []
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
