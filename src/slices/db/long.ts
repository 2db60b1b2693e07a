import { toSetRole } from '../../catalog/plan/rights.ts'
import type { Sql } from '../../server/database.ts'
import { inTransaction, unlessLocked } from '../../server/transactions.ts'
import { logNameOf, logSchema, ofLog } from '../../sql/names.ts'
import { safePath } from '../../sql/settings.ts'

/** Less than the size of the longest log that is not made one row. */
const longBytes = 400_000

/** The logs that have grown long, whose view may be gone. The size of a relation takes a lock on it, so none is asked of others. */
const readLong = (sql: Sql) => sql<{ log: string; role: string; schema: string }[]>`
    with long as materialized (
      select l.relname, l.relnamespace, l.relowner, ${sql.unsafe(ofLog('l.relname'))} as log from pg_class l
       where case when l.relnamespace = to_regnamespace(${logSchema}) and l.relkind = 'r' then pg_relation_size(l.oid) > ${longBytes} end)
    select distinct l.log, r.oid::regrole::text as role, quote_ident(s.nspname) as schema from long l
      left join (pg_class c join pg_namespace n on n.oid = c.relnamespace and c.relkind = 'r') on ${sql.unsafe(logNameOf('n.nspname', 'c.relname'))} = l.log
      left join lateral (
        select t.relnamespace from pg_proc p join pg_trigger g on g.tgfoid = p.oid join pg_class t on t.oid = g.tgrelid
         where c.oid is null and p.pronamespace = l.relnamespace and p.proname = l.relname limit 1) t on true
      join pg_roles r on r.oid = coalesce(c.relowner, l.relowner) and pg_has_role(r.oid, ${sql.unsafe(toSetRole)})
      join pg_namespace s on s.oid = coalesce(c.relnamespace, t.relnamespace)`

/**
 * Makes one row, for all slices, of each change log that has grown long, as that of a view does that is paused, fails or is gone. A locked one waits for the
 * next look.
 */
export async function foldLogs(sql: Sql): Promise<void> {
  const long = (await unlessLocked(sql, readLong)) ?? []
  if (long.length === 0) return
  const { executeSealed } = await import('../../sealed/db/execute.ts')
  const { forget } = await import('../plan/forget.ts')
  // What is in its way, rights of the owner among it, is said by drift.
  for (const { log, ...seal } of long)
    await inTransaction(sql, (part) => executeSealed(part, seal, forget(log, 'long'), safePath)).catch(
      () => {},
    )
}
