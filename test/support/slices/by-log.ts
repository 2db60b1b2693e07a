import type { Sql } from 'postgres'
import { forget } from '../../../src/slices/plan/forget.ts'
import type { ChangeLog } from '../../../src/slices/plan/log.ts'
import { compareUntouched, countTouched, rowsTouched } from '../../../src/slices/plan/rows.ts'
import { logName } from '../../../src/sql/names.ts'

/**
 * What a refresh by a log does, by hand: `kept` has the rows of the view. On one connection, in one transaction, which ends as `end` says. Returns
 * in how many rows the result differs from the whole query under the same snapshot, and how many slices were computed anew; null: all. `compared`: of how
 * many slices that the log does not name after a whole refresh its rows were compared with the old ones, and how many were `wrong`.
 */
export async function fillByLog(
  sql: Pick<Sql, 'unsafe'>,
  log: ChangeLog,
  end: 'commit' | 'rollback' = 'commit',
): Promise<{ different: number; anew: number | null; compared: number; wrong: number }> {
  const query = `select * from ${log.shown.view}`
  const part = { by: log.by, columns: log.shown.columns }
  const rows = rowsTouched(part, log)('kept', query)
  await sql.unsafe(
    "begin; select set_config('viewkeeper.log_read', pg_current_snapshot()::text, true); create table anew (like kept)",
  )
  await sql.unsafe(`create table whole (like kept); insert into whole ${query}`)
  const compare = compareUntouched(log)('whole', 'kept')
  const [{ found }] = (log.exact === null
    ? [{ found: { compared: 0, wrong: 0 } }]
    : await sql.unsafe(`select (${compare}) as found`)) as unknown as [
    { found: { compared: number; wrong: number } },
  ]
  const [row] = await sql.unsafe(`
    with sliced as materialized (${rows}), filled as (insert into anew select * from sliced returning 1)
    select (select count(*)::int from ((table sliced except all ${query}) union all (${query} except all table sliced)) d) as different,
           (${countTouched(part, log, false)('kept')}) ->> 'anew' as anew, (select count(*) from filled)`)
  await sql.unsafe(`
    ${forget(logName(log.view), 'read')}; drop table kept, whole; alter table anew rename to kept; ${end}`)
  return {
    different: row?.different as number,
    anew: row?.anew === null ? null : Number(row?.anew),
    ...found,
  }
}
