import type { Sql } from '../../../src/server/database.ts'
import { readFinds, readLogged } from '../../../src/slices/db/kept.ts'
import { writeDifference } from '../../../src/slices/plan/difference.ts'
import { forget } from '../../../src/slices/plan/forget.ts'
import { type ChangeLog, joinsOf } from '../../../src/slices/plan/log.ts'
import { compareUntouched, countTouched, touchedRows, withFinds } from '../../../src/slices/plan/rows.ts'
import { logName, queryViewOf, quoteName } from '../../../src/sql/names.ts'

/**
 * What a refresh of an incremental table by its log does, by hand. On one connection, in one transaction, which ends as `end` says. Returns in how many rows the
 * result differs from the whole query under the same snapshot, and how many slices were computed anew; null: all. `compared`: of how
 * many slices that the log does not name after a full refresh its rows were compared with the old ones, and how many were `wrong`.
 */
export async function fillByLog(
  sql: Sql,
  log: ChangeLog,
  end: 'commit' | 'rollback' = 'commit',
): Promise<{ different: number; anew: number | null; compared: number; wrong: number }> {
  const query = queryViewOf(log.view)
  const [kept, of] = [quoteName(log.view), quoteName(query)]
  // A truncation is seen by older snapshots, too.
  await sql.unsafe(
    `begin isolation level repeatable read; lock table ${of} in access share mode; select set_config('viewkeeper.log_read', pg_current_snapshot()::text, true)`,
  )
  const [{ owner }] = await sql<[{ owner: string }]>`select quote_ident(current_user) as owner`
  const logged = (await readLogged(sql, log.view))!
  const read = withFinds(logged, await readFinds(sql, { owner }, logged, joinsOf(log)))
  const [{ found, columns }] = (await sql.unsafe(`
    select ${log.exact === null ? `'{"compared": 0, "wrong": 0}'::jsonb` : `(${compareUntouched(read, log.exact)})`} as found,
           to_jsonb(array(select attname from pg_attribute where attrelid = '${kept}'::regclass and attnum > 0 order by attnum)) as columns`)) as unknown as [
    { found: { compared: number; wrong: number }; columns: string[] },
  ]
  await sql.unsafe(writeDifference({ ...log.view, columns, key: [], others: [] }, query, touchedRows(read)))
  const [row] = await sql.unsafe(`
    select (select count(*)::int from ((table ${kept} except all table ${of}) union all (table ${of} except all table ${kept})) d) as different,
           (${countTouched(read, null)}) ->> 'anew' as anew`)
  await sql.unsafe(`${forget(logName(log.view), 'read')}; ${end}`)
  return {
    different: row?.different as number,
    anew: row?.anew === null ? null : Number(row?.anew),
    ...found,
  }
}
