import type { Sql } from '../../server/connect.ts'
import type { Below } from '../plan/items.ts'

/** An object that reads relations. */
interface Reading {
  class: string
  oid: number
}

/** Reads how the texts of views, functions and policies name what they read; by class and OID, with a space between. */
export async function readBelow(sql: Sql, objects: Reading[]): Promise<Map<string, Below[]>> {
  const asked = objects.map(({ class: of, oid }) => ({ class: of, oid }))
  const rows = await sql<{ below: Below[] }[]>`
    with item as (
      select (x ->> 'class')::regclass as class, (x ->> 'oid')::oid as oid, at
        from jsonb_array_elements(${sql.json(asked)}) with ordinality as y(x, at)),
    -- rules count, too: one of them is the query
    part as (
      select i.at, i.class, i.oid, i.oid as self from item i where i.class <> 'pg_class'::regclass
      union all
      select i.at, 'pg_rewrite'::regclass, w.oid, i.oid from item i join pg_rewrite w on w.ev_class = i.oid
       where i.class = 'pg_class'::regclass),
    used as (
      select distinct p.at, d.refobjid as oid, d.refobjsubid as number
        from part p join pg_depend d on d.classid = p.class and d.objid = p.oid and d.refclassid = 'pg_class'::regclass
       where d.refobjid <> p.self)
    select (select coalesce(jsonb_agg(jsonb_build_object('oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname, 'columns', (
                     select coalesce(jsonb_agg(jsonb_build_object('number', a.attnum, 'name', a.attname) order by a.attnum), '[]')
                       from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
                        and a.attnum in (select u.number from used u where u.at = i.at and u.oid = c.oid))) order by c.oid), '[]')
              from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.oid in (select u.oid from used u where u.at = i.at)) as below
      from item i order by i.at`
  return new Map(rows.map(({ below }, at) => [`${objects[at]?.class} ${objects[at]?.oid}`, below]))
}
