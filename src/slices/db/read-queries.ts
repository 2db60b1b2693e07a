import type { Sql } from '../../server/database.ts'
import { reached } from '../../sql/walks.ts'
import type { SliceFacts } from '../plan/facts.ts'
import { truncInZone } from '../plan/key.ts'
import { allNodes, mentioned, parseTree, type Tree, type TreeNode } from '../plan/node-tree.ts'
import { notKnown } from './not-known.ts'

/** The query of a materialized view, and why its rows may change although no row of a table does; null: they do not. */
export interface SlicedView {
  query: TreeNode
  columns: Map<number, string>
  /** The type of each column. */
  types: Map<number, number>
  /** The tables that it reads, directly and through plain views. */
  tables: number[]
  /** What it reads instead if these are none, in words. */
  instead: string
  because: string | null
}

interface RelationRow {
  id: number
  name: string
  kind: string
  /** Whether all its rows are those of the server's own tables, and everybody sees the same ones. */
  plain: boolean
  columns: [number, string, number][]
  unique: number[]
  heirs: number[]
  query: string | null
  virtual: string[]
}

/** Reads what the queries of views read, with the facts that a proof needs. Waits for no lock; needs no right on any view. */
export async function readQueries(
  sql: Sql,
  views: number[],
): Promise<{ views: Map<number, SlicedView>; facts: SliceFacts }> {
  const rows = await sql.unsafe<RelationRow[]>(`
    with recursive read(id) as (
      select unnest(${oids(views)})
      union
      select d.refobjid from read r join pg_class c on c.oid = r.id and (c.relkind = 'v' or c.oid = any (${oids(views)}))
        join pg_rewrite w on w.ev_class = c.oid and w.rulename = '_RETURN'
        join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass)
    select c.oid::int8 as id, format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind,
           c.relkind in ('r', 'p') and not c.relrowsecurity and not exists (
             select from unnest(heirs.ids) h(id) join pg_class e on e.oid = h.id and e.relkind <> 'p' and (e.relkind <> 'r' or e.relam <> 2 or e.relpersistence <> 'p')) as plain,
           (select coalesce(jsonb_agg(jsonb_build_array(a.attnum, a.attname, a.atttypid::int8)), '[]') from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
           to_jsonb(array(select i.indkey[0] from pg_index i where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indnkeyatts = 1 and i.indpred is null)) as unique,
           to_jsonb(heirs.ids::int8[]) as heirs,
           case when c.relkind in ('m', 'v') then (select w.ev_action::text from pg_rewrite w where w.ev_class = c.oid and w.rulename = '_RETURN') end as query,
           to_jsonb(array(select d.adbin::text from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
                  where d.adrelid = c.oid and a.attgenerated = 'v')) as virtual
      from (select distinct id from read) r join pg_class c on c.oid = r.id join pg_namespace n on n.oid = c.relnamespace
     cross join lateral (
       select array(with recursive heirs(id) as (select c.oid union select i.inhrelid from heirs h join pg_inherits i on i.inhparent = h.id)
                    select id from heirs)) heirs(ids)`)
  const read = new Map(
    rows.map(({ query, virtual, ...row }) => [
      row.id,
      {
        ...row,
        columns: new Map(row.columns.map(([at, name]) => [at, name])),
        types: new Map(row.columns.map(([at, , type]) => [at, type])),
        query: query === null ? null : ((parseTree(query) as Tree[])[0] as TreeNode),
        virtual: virtual.map(parseTree),
      },
    ]),
  )
  const relationsIn = (id: number): number[] =>
    mentioned(read.get(id)?.query ?? null, /^relid$/).filter((each) => each !== id && each !== 0)
  const found = new Map<number, SlicedView>()
  for (const view of views) {
    const relation = read.get(view)
    if (!relation?.query) continue
    const ids = [...reached(relationsIn(view), (id) => (read.get(id)?.kind === 'v' ? relationsIn(id) : []))]
    const others = ids.map((id) => read.get(id))
    const odd = others.find((each) => each && !['m', 'v', 'c'].includes(each.kind) && !each.plain)
    const own = ids.filter((id) => !read.has(id))
    const trees = [
      relation.query,
      ...others.flatMap((each) => [each?.kind === 'v' ? each.query : null, ...(each?.virtual ?? [])]),
    ]
    found.set(view, {
      query: relation.query,
      columns: relation.columns,
      types: relation.types,
      tables: ids.filter((id) => read.get(id)?.plain),
      instead: `it reads ${ids.some((id) => read.get(id)?.kind === 'm') ? 'views, and ' : ''}no table`,
      because:
        odd !== undefined
          ? `it reads ${odd.name}, which is ${odd.kind === 'f' ? 'a foreign table' : 'no view and no logged table of the server without row security'}`
          : await readUnknown(sql, trees, own),
    })
  }
  const trees = [...read.values()].map(({ query }) => query)
  const relations = new Map(
    [...read].map(([id, { query, ...each }]) => [id, { ...each, query: each.kind === 'v' ? query : null }]),
  )
  return { views: found, facts: { relations, ...(await readObjects(sql, trees)) } }
}

/** Why the rows of a view may be others by now although no row of a table is; null: everything in its query is known not to do that. */
export async function whyNotKnown(sql: Sql, oid: number): Promise<string | null> {
  const { views } = await readQueries(sql, [oid])
  const view = views.get(oid)
  return view === undefined ? 'it is gone' : view.because
}

const oids = (ids: number[]): string => `array[${ids.join()}]::oid[]`
const fields = {
  types: /type(s|id)?$/i,
  functions: /(funcid|fnoid|RangeFunc)$/,
  operators: /(opno|opnos|eqop|sortop|neop)$/,
}

/**
 * What in a query is not known to depend on nothing but what it reads; null: everything is known. The server notes no dependency on `own`,
 * which is its own.
 */
async function readUnknown(sql: Sql, trees: Tree[], own: number[]): Promise<string | null> {
  const functions = oids(mentioned(trees, fields.functions))
  const operators = oids(mentioned(trees, fields.operators))
  const tags = [...new Set(allNodes(trees).map(({ tag }) => tag))]
  const known = notKnown({
    tags: "string_to_array($1, ' ')",
    types: 'array(select id from used)',
    functions: 'array(select id from called)',
    operators,
  })
  const [row] = await sql.unsafe<{ because: string | null }[]>(
    `
    with recursive used(id) as (
      select unnest(${oids(mentioned(trees, fields.types).filter((id) => id >= 16))})
      union
      select part.id
        from used u join pg_type t on t.oid = u.id and t.oid >= 16384
       cross join lateral (
         values (t.typelem), (t.typbasetype)
         union all
         select unnest(array[r.rngsubtype, r.rngtypid]) from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
         union all
         select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) part(id)
       where part.id <> 0),
    called(id) as (
      select unnest(${functions}) union select o.oprcode from pg_operator o where o.oid = any (${operators})
      union select t.typinput from pg_type t where ${tags.includes('COERCEVIAIO')} and t.oid = any (${oids(mentioned(trees, /^resulttype$/))}) and t.typtype <> 'e')
    select coalesce(
      (select format('it reads %s, which is the server''s own', id::regclass) from unnest(${oids(own)}) id limit 1),
      ${known}) as because`,
    [tags.join(' ')],
  )
  return row?.because ?? null
}

async function readObjects(sql: Sql, trees: Tree[]): Promise<Omit<SliceFacts, 'relations'>> {
  const called = oids([...mentioned(trees, fields.functions), ...mentioned(trees, fields.operators)])
  // Of char(n) two values are equal that differ in blanks at their ends, although its indexes take them for the same bytes.
  const exact = `(select a.amprocfamily as family, a.amproclefttype as type from pg_amproc a join pg_opfamily f on f.oid = a.amprocfamily and f.opfmethod = 403
    where a.amprocnum = 4 and a.amproclefttype = a.amprocrighttype and f.oid < 10000 and a.amproclefttype <> 'bpchar'::regtype
      and a.amproc in ('btequalimage'::regproc, 'btvarstrequalimage'::regproc))`
  const [row] = await sql.unsafe<
    { immutable: number[]; unordered: number[]; exact: number[]; equalities: number[]; loose: number[] }[]
  >(`
    with called as (
      select p.oid as id, p.oid as function from pg_proc p where p.oid = any (${called})
      union all
      select o.oid, o.oprcode from pg_operator o where o.oid = any (${called}))
    select to_jsonb(array(select c.id::int8 from called c join pg_proc p on p.oid = c.function where (p.provolatile = 'i' or p.oid = ${truncInZone}) and c.id < 10000)) as immutable,
           to_jsonb(array(select p.oid::int8 from pg_proc p where p.oid = any (${called}) and p.oid < 10000 and p.prokind = 'a'
                    and (p.proname in ('count', 'bool_and', 'bool_or', 'every') or p.proname in ('min', 'max') and p.prorettype <> 'numeric'::regtype
                         or p.proname in ('sum', 'avg') and p.prorettype in ('int8'::regtype, 'numeric'::regtype)))) as unordered,
           to_jsonb(array(select t.oid::int8 from pg_type t left join pg_type b on b.oid = t.typbasetype where t.oid = any (${oids(mentioned(trees, fields.types))})
                    and case when t.typtype = 'e' or b.typtype = 'e' then 'anyenum'::regtype when 'varchar'::regtype in (t.oid, b.oid) then 'text'::regtype
                             else coalesce(b.oid, t.oid) end in (select e.type from ${exact} e))) as exact,
           to_jsonb(array(select m.amopopr::int8 from pg_amop m join ${exact} e on e.family = m.amopfamily and e.type = m.amoplefttype and e.type = m.amoprighttype
                  where m.amopstrategy = 3)) as equalities,
           to_jsonb(array(select c.oid::int8 from pg_collation c where not c.collisdeterministic)) as loose`)
  const sets = row!
  return {
    immutable: new Set(sets.immutable),
    unordered: new Set(sets.unordered),
    exact: new Set(sets.exact),
    equalities: new Set(sets.equalities),
    loose: new Set(sets.loose),
  }
}
