import type { Sql } from '../../server/connect.ts'
import type { TouchedRelation } from './in-the-way.ts'

/**
 * Empties tables, so that changing them takes no time. Only for a transaction that is undone. A table keeps its rows if
 * emptying it would reach further: if others refer to it by a foreign key, if a trigger would be executed, if a part of it
 * is on another server, or if the login may not.
 */
export async function emptyTables(sql: Sql, relations: TouchedRelation[]): Promise<void> {
  const oids = relations.filter(({ isTable, touched }) => isTable && touched.locked).map(({ oid }) => oid)
  const rows = await sql<{ name: string }[]>`
    with recursive asked as (select value::oid as oid from jsonb_array_elements_text(${sql.json(oids)})),
    tree(root, oid) as (
      select oid, oid from asked union all select t.root, i.inhrelid from tree t join pg_inherits i on i.inhparent = t.oid)
    select a.oid::regclass::text as name from asked a
     where not exists (
       select from tree t join pg_class c on c.oid = t.oid
        where t.root = a.oid
          and (c.relkind not in ('r', 'p') or not has_table_privilege(c.oid, 'truncate')
               or exists (select from pg_trigger g where g.tgrelid = c.oid and g.tgtype & 32 <> 0)
               or exists (select from pg_constraint k where k.contype = 'f' and k.confrelid = c.oid
                             and k.conrelid not in (select oid from tree))))`
  if (rows.length > 0) await sql.unsafe(`truncate ${rows.map(({ name }) => name).join(', ')}`)
}
