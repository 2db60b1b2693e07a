import { readRoleSchemas } from '../../catalog/db/catalog.ts'
import { lockedProblem } from '../../catalog/db/locked.ts'
import { readObstacles } from '../../catalog/db/obstacles.ts'
import type { Reader } from '../../catalog/plan/live-view.ts'
import { type Obstacle, obstacle } from '../../catalog/plan/rights.ts'
import { readReaders } from '../../rebuild/db/group.ts'
import { insistOnNoShadow } from '../../record/set-aside/set-aside.ts'
import type { Sql } from '../../server/database.ts'
import { sessionOf } from '../../sql/holders.ts'
import { logSchema, ofLog, quoteName, viewOfLog } from '../../sql/names.ts'
import { parentsFirst } from '../../sql/walks.ts'
import { readTrees } from '../../trial/db/copies.ts'
import type { QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import {
  type AsideView,
  actingRequirements,
  type Below,
  cannotCarry,
  type InTheWay,
  type Touched,
} from '../plan/items.ts'

/** A relation that is touched, found in the catalog. */
export interface TouchedRelation {
  oid: number
  /** As SQL writes it. */
  name: string
  touched: Touched
  isTable: boolean
  mayLock: boolean
}

/**
 * Finds relations by their names as in SQL, along the search path of our login. Relations that are not there are left out: a
 * file may make them itself.
 */
export async function findTouched(sql: Sql, all: Touched[]): Promise<TouchedRelation[]> {
  if (all.length === 0) return []
  const schemas = await readRoleSchemas(sql)
  const rows = await sql<{ oid: number; name: string; at: number; kind: string; mayLock: boolean }[]>`
    with path as (select * from jsonb_array_elements_text(${sql.json(schemas)}) with ordinality as p(schema, at))
    select c.oid::int8 as oid, format('%I.%I', c.schema, c.relname) as name, x.at::int - 1 as at, c.relkind as kind,
           pg_has_role(c.relowner, 'USAGE') as "mayLock"
      from jsonb_array_elements(${sql.json(all.map(({ relation }) => relation) as never)}) with ordinality as x(relation, at)
     cross join lateral (
       select c.*, n.nspname as schema
         from pg_class c join pg_namespace n on n.oid = c.relnamespace left join path p on p.schema = n.nspname
        where c.relname = x.relation ->> 'name' and coalesce(n.nspname = x.relation ->> 'schema', p.at is not null)
        order by p.at limit 1) c
     order by x.at`
  return rows.map(({ at, kind, ...row }) => ({
    ...row,
    touched: all[at] as Touched,
    isTable: kind === 'r' || kind === 'p',
  }))
}

/** A log of the changes of a table. */
export interface TouchedLog {
  /** The view that it is of, which may be gone. */
  view: QualifiedName
  table: string
  /** The column by which it tells them, and its type; null: by none. */
  key: string | null
}

/** The logs of the changes of these relations. */
export async function readLogs(sql: Sql, relations: TouchedRelation[]): Promise<TouchedLog[]> {
  const rows = await sql<({ log: string } & Omit<TouchedLog, 'view'>)[]>`
    select distinct ${sql.unsafe(ofLog('p.proname'))} as log, t.tgrelid::regclass::text as table, substring(p.prosrc from '^\n-- ([^\n]*)') as key
      from pg_trigger t join pg_proc p on p.oid = t.tgfoid
     where p.pronamespace = to_regnamespace(${logSchema}) and t.tgrelid = any (array(select value::oid from jsonb_array_elements_text(${sql.json(relations.map(({ oid }) => oid))}))) order by 1, 2`
  return rows.map(({ log, ...row }) => ({ view: viewOfLog(log), ...row }))
}

/** A member of what stands in the way, before its documents are read. */
interface BlockingMember {
  class: 'pg_class' | 'pg_proc' | 'pg_policy' | 'other'
  oid: number
  description: string
  why: string | null
  needs: string[]
  reads: string[]
}

/**
 * Reads what stands in the way of a change of these relations: all views, functions with parsed bodies and policies that
 * read them, directly or through each other. The relations themselves are left out if they are dropped or only read. What the views
 * mean is not read again as long as it is as `before`: that takes longer than readers may be locked out.
 */
export async function readInTheWay(
  sql: Sql,
  relations: TouchedRelation[],
  before?: InTheWay,
): Promise<InTheWay> {
  const asked = relations.map(({ oid, touched: { columns, constraints } }) => ({ oid, columns, constraints }))
  const members = await sql.unsafe<BlockingMember[]>(membersQuery, [JSON.stringify(asked)])
  const dropped = new Set(
    relations.filter(({ touched }) => touched.dropped).map(({ oid }) => `pg_class ${oid}`),
  )
  const kept = members.filter((member) => !dropped.has(keyOf(member)))
  await insistOnNoShadow(
    sql,
    kept.map(({ oid }) => oid),
  )
  const readers = await readUnlocked(
    sql,
    kept.flatMap((member) => (member.class === 'pg_class' ? [member.oid] : [])),
  )
  const live = new Map(readers.map((reader) => [reader.oid, reader]))
  const version = await readVersion(sql, [...live.keys()])
  const meanings =
    version === before?.version
      ? new Map(before.items.map((item) => [quoteName(item.live.view), item.meaning]))
      : await readTrees(
          sql,
          readers.map((reader) => quoteName(reader.live.view)),
        )
  const obstacles: Obstacle[] = []
  const items: AsideView[] = []
  const below = await readBelow(
    sql,
    kept.filter(({ why }) => why === null),
  )
  for (const member of parentsFirst(kept, keyOf, ({ needs }) => needs)) {
    const { oid, description, why } = member
    const reading = { reads: member.reads, below: below.get(keyOf(member)) ?? [] }
    if (why !== null) {
      obstacles.push(obstacle(`${description} ${why}`))
      continue
    }
    const reader = live.get(oid)
    if (reader === undefined) throw gone(description)
    const { populated, sizeBytes } = reader
    const meaning = meanings.get(quoteName(reader.live.view))
    items.push({ live: reader.live, populated, sizeBytes, ...(meaning && { meaning }), ...reading })
  }
  return {
    items,
    obstacles: [...obstacles, ...items.flatMap(cannotCarry), ...(await readMissingRoles(sql, items))],
    version,
  }
}

/** Tells the parse trees of views, and of their indexes and statistics objects, from any others. */
async function readVersion(sql: Sql, oids: number[]): Promise<string> {
  const [row] = await sql<{ version: string }[]>`
    select concat_ws(';', string_agg((
             select string_agg(concat_ws(' ', w.oid, w.xmin), ',' order by w.oid) from pg_rewrite w where w.ev_class = c.oid), ',' order by c.oid),
             string_agg((select string_agg(i.indexrelid::text, ',' order by i.indexrelid) from pg_index i where i.indrelid = c.oid), ',' order by c.oid),
             string_agg((select string_agg(s.oid::text, ',' order by s.oid) from pg_statistic_ext s where s.stxrelid = c.oid), ',' order by c.oid)) as version
      from pg_class c where c.oid in (select value::oid from jsonb_array_elements_text(${sql.json(oids)}))`
  return row?.version ?? ''
}

/** The roles as which we have to act and may not, with every object of them. */
async function readMissingRoles(sql: Sql, items: AsideView[]): Promise<Obstacle[]> {
  const missing = await readObstacles(sql, actingRequirements(items, 'role'))
  return missing.length === 0 ? [] : await readObstacles(sql, actingRequirements(items, 'object'))
}

/** Reads views with everything that reads them. Refuses (LockTimeout) if one of them cannot be read now. */
export async function readUnlocked(sql: Sql, oids: number[]): Promise<Reader[]> {
  const readers = await readReaders(sql, oids)
  if (typeof readers !== 'string') return readers
  throw await lockedProblem(sql, oids)
}

const gone = (description: string): Problem =>
  new Problem('CatalogChanged', `${description} was exchanged or dropped meanwhile`)

const keyOf = ({ class: of, oid }: Pick<BlockingMember, 'class' | 'oid'>): string => `${of} ${oid}`

/**
 * Rule `_RETURN` is the query of a view. A query or a function may also need the row type of what it reads, or the type's
 * array. What belongs to a table or to a view itself (indexes, statistics, triggers, rules, defaults) does not count.
 */
const membersQuery = `
with recursive asked as (
  select (x ->> 'oid')::oid as oid, x -> 'columns' as columns, (x ->> 'constraints')::boolean as constraints
    from jsonb_array_elements($1::text::jsonb) x),
tree(oid, columns, constraints) as (
  select * from asked
  union all
  select i.inhrelid, t.columns, t.constraints from tree t join pg_inherits i on i.inhparent = t.oid),
seeds as (
  select 'pg_class'::regclass as class, t.oid, null::integer as subid, false as column_wise
    from tree t where t.columns = 'null'
  union
  select 'pg_class'::regclass, t.oid, a.attnum::integer, true
    from tree t cross join jsonb_array_elements_text(case when t.columns <> 'null' then t.columns else '[]' end) n
    join pg_attribute a on a.attrelid = t.oid and a.attname = n
  union
  select 'pg_type'::regclass, y.oid, null, false from tree t join pg_class c on c.oid = t.oid
    join pg_type r on r.oid = c.reltype join pg_type y on y.oid in (r.oid, r.typarray)
   where t.columns = 'null' or jsonb_array_length(t.columns) > 0
  union
  select 'pg_constraint'::regclass, k.oid, null, false from tree t join pg_constraint k on k.conrelid = t.oid where t.constraints),
first as (
  select d.classid, d.objid, s.class = 'pg_type'::regclass as by_type, s.column_wise, s.oid as seed
    from seeds s join pg_depend d on d.refclassid = s.class and d.refobjid = s.oid and d.deptype in ('n', 'a')
     and (s.subid is null or d.refobjsubid = s.subid)),
members(class, oid, by_type) as (
  select case when w.rulename = '_RETURN' then 'pg_class'::regclass else f.classid::regclass end,
         case when w.rulename = '_RETURN' then w.ev_class else f.objid end, false
    from first f
    left join pg_rewrite w on f.classid = 'pg_rewrite'::regclass and w.oid = f.objid
    left join pg_proc p on f.classid = 'pg_proc'::regclass and p.oid = f.objid
    left join pg_policy l on f.classid = 'pg_policy'::regclass and l.oid = f.objid
   -- before 16, the query of a view depends on the view itself
   where w.rulename = '_RETURN' and w.ev_class <> f.seed or p.prosqlbody is not null and not f.by_type or l.oid is not null and f.column_wise
  union
  select found.class, found.oid, found.by_type
    from members m cross join lateral (
      select m.class as refclassid, m.oid as refobjid
      union all
      select 'pg_type'::regclass, y.oid from pg_class c join pg_type r on r.oid = c.reltype
        join pg_type y on y.oid in (r.oid, r.typarray) where m.class = 'pg_class'::regclass and c.oid = m.oid) needed
    join pg_depend d on d.refclassid = needed.refclassid and d.refobjid = needed.refobjid and d.deptype in ('n', 'a')
    left join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
   cross join lateral (
     select case when w.rulename = '_RETURN' then 'pg_class'::regclass else d.classid::regclass end as class,
            case when w.rulename = '_RETURN' then w.ev_class else d.objid end as oid,
            needed.refclassid = 'pg_type'::regclass and w.oid is null as by_type) found
   where m.class in ('pg_class'::regclass, 'pg_proc'::regclass)
     and not (d.classid = 'pg_class'::regclass and d.objid in (select indexrelid from pg_index where indrelid = m.oid))
     and not (d.classid = 'pg_statistic_ext'::regclass and d.objid in (select oid from pg_statistic_ext where stxrelid = m.oid))
     and not (d.classid = 'pg_trigger'::regclass and d.objid in (select oid from pg_trigger where tgrelid = m.oid))
     and not (d.classid = 'pg_attrdef'::regclass and d.objid in (select oid from pg_attrdef where adrelid = m.oid))
     and not (d.classid = 'pg_type'::regclass and d.objid in (
                select y.oid from pg_class c join pg_type r on r.oid = c.reltype join pg_type y on y.oid in (r.oid, r.typarray)
                 where c.oid = m.oid and m.class = 'pg_class'::regclass))),
-- the rules of views in the way come and go with their view
counted as (
  select class, oid, bool_or(by_type) as by_type from members m
   where not (class = 'pg_rewrite'::regclass and (select ev_class from pg_rewrite where oid = m.oid) in (
                select oid from members where class = 'pg_class'::regclass))
   group by class, oid),
below as (
  select c.class, c.oid,
         case when d.refclassid = 'pg_type'::regclass then 'pg_class'::regclass else d.refclassid::regclass end as on_class,
         case when d.refclassid = 'pg_type'::regclass
              then (select coalesce(nullif(e.typrelid, 0), y.typrelid) from pg_type y left join pg_type e on e.oid = y.typelem
                     where y.oid = d.refobjid)
              else d.refobjid end as on_oid
    from counted c
    left join pg_rewrite w on c.class = 'pg_class'::regclass and w.ev_class = c.oid and w.rulename = '_RETURN'
    join pg_depend d on d.classid = case when w.oid is null then c.class else 'pg_rewrite'::regclass end
     and d.objid = coalesce(w.oid, c.oid) and d.refclassid in ('pg_class'::regclass, 'pg_type'::regclass, 'pg_proc'::regclass))
select case when c.class::oid in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_policy'::regclass) then c.class::text else 'other' end as class,
       c.oid::int8 as oid,
       case when c.class = 'pg_class'::regclass and k.relkind = 'm' then 'materialized view ' || c.oid::regclass
            when c.class = 'pg_class'::regclass and k.relkind = 'v' then 'view ' || c.oid::regclass
            else pg_describe_object(c.class, c.oid, 0) end as description,
       case when c.class = 'pg_class'::regclass and k.relkind in ('m', 'v') and k.relpersistence <> 't' and not c.by_type then null
            when c.class = 'pg_class'::regclass and k.relpersistence = 't' then 'is temporary, and belongs to ' || ${sessionOf('(select nspname from pg_namespace where oid = k.relnamespace)', 'k.relowner')}
            when c.class = 'pg_proc'::regclass and c.by_type then 'has the row type of a view in its signature'
            when c.class = 'pg_proc'::regclass
              then format('is never written again: type "drop %s %s" before, and make it again after', case p.prokind when 'p' then 'procedure' else 'function' end, p.oid::regprocedure)
            when c.class = 'pg_policy'::regclass and not c.by_type
              then format('is never written again: type "drop policy %I on %s" before, and make it again after', l.polname, l.polrelid::regclass)
            when c.by_type then 'uses the row type of a view'
            else 'depends on a view or function in the way, and cannot be made again' end as why,
       (select coalesce(jsonb_agg(distinct b.on_class::text || ' ' || b.on_oid), '[]') from below b
         where b.class = c.class and b.oid = c.oid and not (b.on_class = c.class and b.on_oid = c.oid)) as needs,
       (select coalesce(jsonb_agg(distinct case when b.on_class = 'pg_class'::regclass
                 then b.on_oid::regclass::text else b.on_oid::regprocedure::text end), '[]')
          from below b
         where b.class = c.class and b.oid = c.oid and not (b.on_class = c.class and b.on_oid = c.oid)
           and (b.on_oid in (select oid from tree) or (b.on_class, b.on_oid) in (select class, oid from counted))) as reads
  from counted c
  left join pg_class k on c.class = 'pg_class'::regclass and k.oid = c.oid
  left join pg_proc p on c.class = 'pg_proc'::regclass and p.oid = c.oid
  left join pg_policy l on c.class = 'pg_policy'::regclass and l.oid = c.oid
 order by c.oid`

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
