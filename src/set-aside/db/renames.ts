import { Problem, sentences } from '../../problem.ts'
import type { Sql } from '../../server/database.ts'
import { type QualifiedName, quoteName } from '../../sql/names.ts'
import { describeItem } from '../../trial/plan/copy.ts'
import { type AsideView, type Below, type CalledNow, nameOf, renamedSince } from '../plan/items.ts'
import type { Misfit, Source } from './perform.ts'

/** Those whose names something in the catalog has. */
export async function findTaken(sql: Sql, items: AsideView[]): Promise<AsideView[]> {
  const asked = items.map((item) => {
    const { schema, name } = item.live.view
    return { called: nameOf(item), schema, name }
  })
  const rows = await sql<{ called: string }[]>`
    select x.called from jsonb_to_recordset(${sql.json(asked)}) as x(called text, schema text, name text)
      join pg_namespace n on n.nspname = x.schema join pg_class c on c.relnamespace = n.oid and c.relname = x.name`
  const there = new Set(rows.map(({ called }) => called))
  return items.filter((item) => there.has(nameOf(item)))
}

/**
 * The items that read something under another name by now. The server carries a view over a rename of what the view reads, but
 * not the text of a view that is away: under the old names it does not fit, or means something else. A view that gets another
 * definition need not fit. `items` are not there.
 */
export async function findRenamed(
  sql: Sql,
  items: AsideView[],
  { given, advice }: Source,
): Promise<Misfit[]> {
  const changed = new Set(given.map(quoteName))
  const old = items.filter((item) => !changed.has(quoteName(item.live.view)))
  const { now, taken } = await readNames(
    sql,
    old.flatMap(({ below = [] }) => below),
  )
  return old.flatMap((item) => {
    const renamed = renamedSince(item.below ?? [], now, (name) => taken.has(quoteName(name)))
    if (renamed.length === 0) return []
    const problem = new Problem(
      'ViewSqlFailed',
      sentences(
        `${describeItem(item)} no longer fits: it reads ${renamed.join(', and ')}`,
        'The server carries a rename over to the views that are there: rename before they are taken away, or when they are back',
        advice,
      ),
    )
    return [{ item, problem }]
  })
}

/** How relations are called now, by OID; and which of the former names other relations have. */
async function readNames(
  sql: Sql,
  below: Below[],
): Promise<{ now: Map<number, CalledNow>; taken: Set<string> }> {
  const rows = await sql<(CalledNow & { oid: number; isTaken: boolean; was: QualifiedName })[]>`
    with asked as (
      select distinct (x ->> 'oid')::oid as oid, x ->> 'schema' as schema, x ->> 'name' as name
        from jsonb_array_elements(${sql.json(below as never)}) x)
    select c.oid::int8 as oid, n.nspname as schema, c.relname as name,
           jsonb_build_object('schema', a.schema, 'name', a.name) as was,
           exists (select from pg_class k join pg_namespace m on m.oid = k.relnamespace
                    where m.nspname = a.schema and k.relname = a.name and k.oid <> c.oid) as "isTaken",
           (select coalesce(jsonb_agg(jsonb_build_object('number', t.attnum, 'name', t.attname)), '[]') from pg_attribute t
             where t.attrelid = c.oid and t.attnum > 0 and not t.attisdropped) as columns
      from asked a join pg_class c on c.oid = a.oid join pg_namespace n on n.oid = c.relnamespace`
  return {
    now: new Map(rows.map((row) => [row.oid, row])),
    taken: new Set(rows.flatMap(({ isTaken, was }) => (isTaken ? [quoteName(was)] : []))),
  }
}
