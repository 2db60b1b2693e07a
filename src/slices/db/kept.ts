import type { ViewFacts } from '../../catalog/plan/live-view.ts'
import type { Known, Mark } from '../../record/plan/slice-marks.ts'
import type { Sql } from '../../server/database.ts'
import { literal, logName, logSchema, ofLog, queryOfKept, quoteName } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import type { KeptTable } from '../plan/difference.ts'
import { findsOf, type ReadLog } from '../plan/rows.ts'
import { odd, seen } from '../plan/stands-on.ts'

/** What a refresh of an incremental table goes by. */
export interface KeptFacts extends Pick<KeptTable, 'columns' | 'key' | 'others'> {
  /** Whether its query has the columns of the table. */
  fits: boolean
  /** Whether the server has statistics of its rows. */
  isAnalyzed: boolean
  /** SQL for what the plan stands on, and what that is: the query, the columns and indexes of the table. */
  now: string
  is: string
}

/** The columns of relation `of` with their types, as one text. */
const shape = (of: string): string =>
  `(select string_agg(format('%s %s %s %s', a.attname, a.atttypid, a.atttypmod, a.attcollation), ',' order by a.attnum) from pg_attribute a where a.attrelid = ${of} and a.attnum > 0 and not a.attisdropped)`

/**
 * Throws InvalidRequest, with the reason, if nobody may write the table as a refresh does. Undefined: the table, or the plain view of its query, is
 * gone.
 */
export async function readKept(
  sql: Sql,
  { oid, query, view, name }: ViewFacts,
): Promise<KeptFacts | undefined> {
  const now = `(select concat_ws(' ', ${shape('c.oid')}, ${shape(String(query))}, ${queryOfKept('c.oid')}, ${seen}) from pg_class c where c.oid = ${oid})`
  const [row] = await sql.unsafe<(KeptFacts & { odd: string | null })[]>(`
    with strict as (select * from pg_index i where i.indrelid = ${oid} and (i.indisunique or i.indisexclusion) and i.indimmediate and i.indisready),
    -- Of those by which rows can be told apart, the one that foreign keys refer to, else that of \`uniqueKey\`.
    chosen as (
      select i.* from strict i join pg_class x on x.oid = i.indexrelid
       where i.indisunique and not i.indisexclusion and i.indisvalid and num_nonnulls(i.indpred, i.indexprs) = 0
       order by exists (select from pg_constraint k where k.confrelid = i.indrelid and k.conindid = i.indexrelid) desc, x.relname = ${literal(`${name}_key`)} desc, i.indisprimary desc, x.oid limit 1)
    select to_jsonb(array(select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)) as columns,
           coalesce((
             select jsonb_agg(jsonb_build_object('column', a.attname, 'cast', case when n.nspname = 'pg_catalog' or y.typtype = 'p' then '' else format('::%s.%I', y.typnamespace::regnamespace, y.typname) end, 'equals', format('operator(%I.%s)', n.nspname, o.oprname)) order by k.at)
               from chosen i cross join lateral unnest(i.indkey::int2[], i.indclass::oid[]) with ordinality k(attnum, class, at)
               join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
               join pg_opclass p on p.oid = k.class join pg_type y on y.oid = p.opcintype
               join pg_amop m on m.amopfamily = p.opcfamily and m.amoplefttype = p.opcintype and m.amoprighttype = p.opcintype and m.amopstrategy = 3
               join pg_operator o on o.oid = m.amopopr join pg_namespace n on n.oid = o.oprnamespace
              where k.at <= i.indnkeyatts), '[]') as key,
           to_jsonb(array(select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and exists (
             select from strict i where i.indexrelid not in (select indexrelid from chosen) and (a.attnum = any (i.indkey::int2[]) or exists (
               select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid and d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid in (0, a.attnum)))) order by a.attnum)) as others,
           ${shape('c.oid')} is not distinct from ${shape(String(query))} as fits, c.reltuples > 0 as "isAnalyzed",
           ${odd} as odd,
           ${literal(now)} as now, ${now} as is
      from pg_class c where c.oid = ${oid} and ${queryOfKept('c.oid')} = ${query}`)
  if (row?.odd) throw notWritten(view, row.odd)
  return row
}

/**
 * The SQL that gives an incremental table the column types of its query; empty: it has them, or is no incremental table. Null: the columns have other names. `drops`: it
 * may also drop columns behind those of the query.
 */
export async function howToFit(sql: Sql, table: QualifiedName, drops = false): Promise<string | null> {
  const columns = (of: string) => `
    select row_number() over (order by a.attnum) as at, a.attname as name, format_type(a.atttypid, a.atttypmod)
           || (select format(' collate %I.%I', n.nspname, c.collname) from pg_collation c join pg_namespace n on n.oid = c.collnamespace where c.oid = a.attcollation) as collated,
           format_type(a.atttypid, a.atttypmod) as type from pg_attribute a where a.attrelid = ${of} and a.attnum > 0 and not a.attisdropped`
  const oid = `to_regclass(${literal(quoteName(table))})::oid`
  const rows = await sql.unsafe<{ sql: string | null }[]>(`
    select case when t.name = q.name then format('alter column %I type %s', q.name, coalesce(q.collated, q.type)) when ${drops} and q.name is null then format('drop column %I', t.name) end as sql
      from (${columns(oid)}) t full join (${columns(queryOfKept(oid))}) q using (at)
     where (t.name, t.type, t.collated) is distinct from (q.name, q.type, q.collated) and ${queryOfKept(oid)} is not null order by at`)
  const actions = rows.map((row) => row.sql)
  if (actions.includes(null)) return null
  return actions.length === 0 ? '' : `alter table ${quoteName(table)} ${actions.join(', ')}`
}

/** The log of the changes of a view, by the names of its tables; null: it has none. */
export async function readLogged(sql: Sql, view: QualifiedName): Promise<ReadLog | null> {
  const rows = await sql<{ name: string; columns: string[]; computes: ReadLog['computes'] }[]>`
    select c.relname as name, to_jsonb(array(select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)) as columns,
           (select case when p.prosrc ~ 'pg_catalog[.](timezone[(]|date_trunc[(][^()]*([(].*[)])?, ''[^'']*''[)])' then 'zones' when p.prosrc ~ 'pg_catalog[.](date|timestamp|date_trunc)[(]' then 'times' end
              from pg_proc p where p.pronamespace = c.relnamespace and p.proname = c.relname) as computes
      from pg_class c where c.relnamespace = to_regnamespace(${logSchema}) and ${sql.unsafe(ofLog('c.relname'))} = ${logName(view)} and c.relkind = 'r' order by c.oid`
  const isKeyed = ({ columns }: { columns: string[] }) => columns[1] === 'whole'
  const by = rows.find(isKeyed)?.columns[0]
  if (by === undefined) return null
  const { schema, name } = view
  const parts = rows.map((row) => ({
    log: quoteName({ schema: logSchema, name: row.name }),
    isKeyed: isKeyed(row),
    joined: (row.columns[0] === 'whole' && row.columns[2]) || null,
    finds: null,
  }))
  const computed = rows.map(({ computes }) => computes)
  const computes = (['zones', 'times'] as const).find((each) => computed.includes(each)) ?? null
  return { view: { schema, name }, by, parts, computes }
}

/** How the slices of joined rows are found by a proof, by the tables of the log; null: they are not. */
export async function readFinds(
  sql: Sql,
  { owner }: Pick<ViewFacts, 'owner'>,
  log: ReadLog,
  joins: NonNullable<Mark['joins']>,
): Promise<Known['finds']> {
  const [row] = await sql.unsafe<{ finds: Known['finds'] }[]>(
    `select ${findsOf(`${literal(JSON.stringify(joins))}::jsonb`, log, owner)} as finds`,
  )
  return row!.finds
}

/** Why a log is not used that somebody has dropped or renamed, or whose schema he has. */
export const noLog = 'it is not there'

/** The refusal of an incremental table that a refresh does not write. */
export const notWritten = (view: string, because: string): Problem =>
  new Problem('InvalidRequest', `${view} is not refreshed: ${because}`, { field: 'view' })
