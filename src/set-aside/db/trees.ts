import { createHash } from 'node:crypto'
import { treesText } from '../../catalog/plan/tree.ts'
import type { Sql } from '../../server/connect.ts'
import { literal } from '../../sql/names.ts'
import type { AsideView, Meaning } from '../plan/items.ts'

/** Another version, of Viewkeeper or of the server, writes trees in another way. */
const form = createHash('md5').update(treesText('view')).digest('hex')

/**
 * A hash of what a tree takes from the objects that it names, as an expression; `uses` is one for them. As long as it is the same, so is
 * the tree of a query that means the same.
 */
const stateOf = (uses: string): string => `(
  select md5(concat('${form} ', current_setting('server_version_num'), string_agg(concat(case x ->> 'class'
           when 'pg_operator' then (pg_describe_object('pg_operator'::regclass, (x ->> 'oid')::oid, 0) is not null)::text
           -- Another object may be in its place by now.
           else pg_describe_object((x ->> 'class')::regclass, case when x ->> 'view' is null then (x ->> 'oid')::oid end, 0)
           end, (select concat_ws(' ', a.atttypid, a.atttypmod, a.attcollation, a.attnum) from pg_attribute a
                  where a.attrelid = coalesce(to_regclass(x ->> 'view')::oid, (x ->> 'oid')::oid) and a.attnum = greatest((x ->> 'column')::int, 1) and not a.attisdropped
                    and x ->> 'class' = 'pg_class')), ',' order by at)))
    from jsonb_array_elements(${uses}) with ordinality as u(x, at))`

/** Reads what views mean, by their names as SQL writes them. For `nameOf` see `treesText`. */
export async function readTrees(sql: Sql, names: string[], nameOf?: string): Promise<Map<string, Meaning>> {
  const rows = await sql.unsafe<{ name: string; meaning: Meaning }[]>(`
    select asked.name, jsonb_build_object('trees', md5(tree.text), 'uses', used.uses, 'state', ${stateOf('used.uses')}) as meaning
      from jsonb_array_elements_text(${literal(JSON.stringify(names))}) as asked(name),
           lateral (${treesText('to_regclass(asked.name)::oid', nameOf)}) as tree(text),
           lateral (
             select coalesce(jsonb_agg(distinct jsonb_build_object('class', d.refclassid::regclass, 'oid', d.refobjid::int8, 'column', d.refobjsubid,
                      'view', case when c.relkind in ('m', 'v') then format('%I.%I', n.nspname, c.relname) end)), '[]') as uses
               from (select 'pg_rewrite'::regclass as class, w.oid from pg_rewrite w where w.ev_class = to_regclass(asked.name)
                     union all select 'pg_class'::regclass, i.indexrelid from pg_index i where i.indrelid = to_regclass(asked.name)
                     union all select 'pg_statistic_ext'::regclass, s.oid from pg_statistic_ext s where s.stxrelid = to_regclass(asked.name)) as x
               join pg_depend d on d.classid = x.class and d.objid = x.oid
               left join pg_class c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid left join pg_namespace n on n.oid = c.relnamespace
              where d.refobjid <> to_regclass(asked.name) and d.deptype in ('n', 'a')) as used`)
  return new Map(rows.map(({ name, meaning }) => [name, meaning]))
}

/** The items whose trees have to be as they were: nothing that they name has changed. */
export async function findComparable(sql: Sql, items: AsideView[]): Promise<Set<AsideView>> {
  const asked = items.map(({ meaning }) => meaning ?? { uses: [], state: '' })
  const rows = await sql.unsafe<{ at: number }[]>(`
    select at::integer - 1 as at from jsonb_array_elements(${literal(JSON.stringify(asked))}) with ordinality as y(item, at)
     where item ->> 'state' = ${stateOf("item -> 'uses'")}`)
  return new Set(rows.map(({ at }) => items[at] as AsideView))
}
