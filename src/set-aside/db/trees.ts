import { createHash } from 'node:crypto'
import type { LiveView } from '../../catalog/plan/live-view.ts'
import { liveViewQuery } from '../../catalog/plan/live-view-query.ts'
import { readableView } from '../../catalog/plan/server-sql.ts'
import { treesText } from '../../catalog/plan/tree.ts'
import type { Sql } from '../../server/connect.ts'
import { literal, quoteName } from '../../sql/names.ts'
import type { Copy, Meaning } from '../plan/compare.ts'

/** Another version, of Viewkeeper or of the server, writes trees in another way. */
const form = createHash('md5')
  .update(treesText('view', { all: true }))
  .digest('hex')

/**
 * The object that has the name of a used one by now: it may have been dropped and made again. Else that with its OID. PostgreSQL 15 looks up no
 * function whose argument has no type any more, so these are looked up first.
 */
const found = `coalesce(case
    when x ->> 'class' = 'pg_class' then to_regclass(x ->> 'name')::oid
    when x ->> 'class' = 'pg_type' then to_regtype(x ->> 'name')::oid
    when x ->> 'class' = 'pg_collation' then to_regcollation(x ->> 'name')::oid
    when x ->> 'class' not in ('pg_proc', 'pg_operator') or x ->> 'name' like '%"%' or exists (
      select from string_to_table(substring(x ->> 'name', '\\((.*)\\)$'), ',') a(type) where a.type not in ('', 'NONE') and to_regtype(a.type) is null) then null
    when x ->> 'class' = 'pg_proc' then to_regprocedure(x ->> 'name')::oid
    else to_regoperator(x ->> 'name')::oid end, (x ->> 'oid')::oid)`

/**
 * A hash of what a tree takes from the objects that it names, as an expression; `uses` is one for them. As long as it is the same, so is
 * the tree of a query that means the same. An operator may have moved. Constants of some types have OIDs in their bytes.
 */
const stateOf = (uses: string): string => `(
  select md5(concat('${form} ', current_setting('server_version_num'), string_agg(concat(
           case when x ->> 'class' = 'pg_operator' then (o.identity is not null)::text else o.identity end,
           (select t.oid from pg_type t where x ->> 'class' = 'pg_type' and t.oid = f.oid and (t.typtype in ('c', 'r', 'm') or t.typelem <> 0)),
           (select concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation, a.attnum) from pg_attribute a
             where a.attrelid = f.oid and a.attnum = greatest((x ->> 'column')::int, 1) and not a.attisdropped and x ->> 'class' = 'pg_class')), ',' order by at)))
    from jsonb_array_elements(${uses}) with ordinality as u(x, at), lateral (select ${found} offset 0) as f(oid),
         lateral pg_identify_object((x ->> 'class')::regclass, f.oid, 0) o)`

/** Reads what views mean, by their names as SQL writes them. `nameOf` writes the names of views. */
export async function readTrees(sql: Sql, names: string[], nameOf?: string): Promise<Map<string, Meaning>> {
  const rows = await sql.unsafe<{ name: string; meaning: Meaning }[]>(`
    select asked.name, jsonb_build_object('trees', md5(tree.text), 'uses', used.uses, 'state', ${stateOf('used.uses')}) as meaning
      from jsonb_array_elements_text(${literal(JSON.stringify(names))}) as asked(name),
           lateral (${treesText('to_regclass(asked.name)::oid', { nameOf, all: true })}) as tree(text),
           lateral (
             select coalesce(jsonb_agg(distinct jsonb_build_object('class', d.refclassid::regclass, 'oid', d.refobjid::int8, 'column', d.refobjsubid,
                      'name', (pg_identify_object(d.refclassid, d.refobjid, 0)).identity)), '[]') as uses
               from (select 'pg_rewrite'::regclass as class, w.oid from pg_rewrite w where w.ev_class = to_regclass(asked.name)
                     union all select 'pg_class'::regclass, i.indexrelid from pg_index i where i.indrelid = to_regclass(asked.name)
                     union all select 'pg_statistic_ext'::regclass, s.oid from pg_statistic_ext s where s.stxrelid = to_regclass(asked.name)) as x
               join pg_depend d on d.classid = x.class and d.objid = x.oid
              where d.refobjid <> to_regclass(asked.name) and d.deptype in ('n', 'a')) as used`)
  return new Map(rows.map(({ name, meaning }) => [name, meaning]))
}

/** The items whose trees have to be as they were: what they name is there, with the same columns and types. */
export async function findComparable<C extends Copy>(sql: Sql, items: C[]): Promise<Set<C>> {
  const asked = items.map(({ meaning }) => meaning ?? { uses: [], state: '' })
  const rows = await sql.unsafe<{ at: number }[]>(`
    select at::integer - 1 as at from jsonb_array_elements(${literal(JSON.stringify(asked))}) with ordinality as y(item, at)
     where item ->> 'state' = ${stateOf("item -> 'uses'")}`)
  return new Set(rows.map(({ at }) => items[at] as C))
}

/** Reads items again, by their names: what is there of them. All views at once, because the query takes long to plan. */
export async function readAgain<C extends Copy>(sql: Sql, items: C[], nameOf?: string): Promise<Map<C, C>> {
  const names = items.map(({ live }) => quoteName(live.view))
  const meanings = await readTrees(sql, names, nameOf)
  const rows = await sql.unsafe<{ at: number; live: LiveView }[]>(
    `select x.at::int - 1 as at, doc.live
       from jsonb_array_elements_text(${literal(JSON.stringify(names))}) with ordinality as x(name, at),
            lateral (${liveViewQuery('to_regclass(x.name)::oid')}) as doc(live)`,
  )
  return new Map(
    rows.map(({ at, live }) => {
      const { meaning: _, ...item } = items[at] as C
      const meaning = meanings.get(names[at] as string)
      return [items[at] as C, { ...item, live: readableView(live), ...(meaning && { meaning }) } as C]
    }),
  )
}
