import type { Finds } from '../../record/plan/slice-marks.ts'
import { literal, queryViewOf, quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { SomeRows } from './difference.ts'
import { logRead, mostRows } from './forget.ts'

/** A change log as a refresh reads it. */
export interface ReadLog {
  view: QualifiedName
  /** The column whose values are its slices. */
  by: string
  /** Its tables, as SQL writes them. Without a key, a row says what it has in column `joined`. Where nothing finds slices by that, it means all. */
  parts: { log: string; isKeyed: boolean; joined: string | null; finds: Finds | null }[]
  /** What it computes slices of: times as they are, or by names of zones; null: it notes them as they are. */
  computes: 'times' | 'zones' | null
}

/**
 * SQL for how the slices of joined rows are found, by the tables of the log, as a JSON object of `Finds`. `joins`: SQL for those of a mark, as JSON, whose
 * names are those of the columns as long as the world of the view is that of the mark. Left out are those that no index finds, and those for which the
 * owner of the view may not read what is joined: he may be who reads it through a plain view of somebody else.
 */
export function findsOf(joins: string, { parts }: ReadLog, owner: string): string {
  if (!parts.some(({ joined }) => joined !== null)) return 'null::jsonb'
  const [role, keyed] = [`${literal(owner)}::regrole`, literal(parts.find(({ isKeyed }) => isKeyed)!.log)]
  return `(
  select jsonb_object_agg(j.log, jsonb_build_object('schema', concat(n.oid, ' ', n.xmin), 'query',
           format('select %s%s from %I.%I r where r.%I operator(pg_catalog.=) any', format(j.computed, format('r.%I', k.attname)), l.collates, n.nspname, t.relname, a.attname)))
    from (select j.log, j.table, j.column, j.key, coalesce(j.computed, '%s') as computed
            from jsonb_to_recordset(${joins}) j(log text, "table" oid, "column" name, key name, computed text)) j
    join pg_class t on t.oid = j.table join pg_namespace n on n.oid = t.relnamespace
    join pg_attribute k on k.attrelid = t.oid and k.attname = j.key join pg_attribute a on a.attrelid = t.oid and a.attname = j.column
    -- Texts of the log are compared with these.
    left join (select format(' collate %I.%I', m.nspname, c.collname) from pg_attribute b join pg_collation c on c.oid = b.attcollation join pg_namespace m on m.oid = c.collnamespace
                where b.attrelid = to_regclass(${keyed}) and b.attnum = 1) l(collates) on true
   -- By a B-tree with its collation, the server looks up each value; else it compares each row with all. Children have indexes of their own.
   where j.computed ~ '^(pg_catalog[.][a-z_]+[(](''[a-zA-Z0-9_/+-]+'', )?)*%s((, ''[a-zA-Z0-9_/+-]+'')?[)])*$' and exists (select from pg_index i join pg_class x on x.oid = i.indexrelid and x.relam = 403
                  where i.indrelid = t.oid and i.indkey[0] = a.attnum and i.indcollation[0] = a.attcollation and i.indisvalid and i.indpred is null)
     and (t.relkind = 'p' or not exists (select from pg_inherits i where i.inhparent = t.oid))
     and has_schema_privilege(${role}, n.oid, 'usage') and has_column_privilege(${role}, t.oid, k.attnum, 'select') and has_column_privilege(${role}, t.oid, a.attnum, 'select'))`
}

/** The log with what `findsOf` has found. */
export const withFinds = (log: ReadLog, finds: Record<string, Finds> | null): ReadLog => ({
  ...log,
  parts: log.parts.map((part) => ({ ...part, finds: finds?.[part.log] ?? null })),
})

/**
 * A query for how many slices were computed `anew`, and how many the view has, by the statistics of the table, which count a sample: `of`.
 * A number that nobody knows is left out: of those that are computed anew, because all are.
 */
const counted = (anew: string, by: string, table: string): string =>
  `select jsonb_strip_nulls(jsonb_build_object('anew', (${anew}), 'of', (
    select round(case when s.n_distinct < 0 then -s.n_distinct * c.reltuples else s.n_distinct end) + (s.null_frac > 0)::int
      from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname
     where c.oid = ${literal(table)}::regclass and s.attname = ${literal(by)})))`

/** How many slices a table has between two values, ends included. */
export function countBetween(table: string, by: string, from: string, to: string): string {
  const key = quoteIdentifier(by)
  return counted(
    `select count(*) from (select distinct ${key} from ${table} where ${isBetween(key, from, to)}) s`,
    by,
    table,
  )
}

/** How many slices a table has, if all were computed anew. */
export const countAll = ({ view, by }: ReadLog): string => counted('null::int8', by, quoteName(view))

/** How many slices the log holds that were in it at `viewkeeper.log_read`, unless it means all. `most`: see `touchedRows`. */
export function countTouched(log: ReadLog, most: number | null): string {
  const read = log.parts.map((part) => `select ${isAll(part)} as is_all from ${part.log} t where ${wasRead}`)
  return counted(
    `select case when not r.is_all and s.count < ${mostSlices(most)} then s.count end
       from (select count(*) > ${mostRows} or coalesce(bool_or(t.is_all), false) as is_all from (${read.join(' union all ')}) t) r
      cross join lateral (select count(*) from (select distinct t.k from (${slicesIn(log, wasRead)}) t (k) where not r.is_all) t) s`,
    log.by,
    quoteName(log.view),
  )
}

/**
 * A query that compares what the query of an incremental table makes with its rows, of slices that the log does not name by now. Both are of the same rows of tables,
 * because nothing has left the log: what a statement before this one has read was as it was when the old rows were made. Only
 * `exact` columns are compared, and the number of rows if there is none; counted are slices: a sum of hashes takes less than half the time of EXCEPT ALL.
 */
export function compareUntouched(log: ReadLog, exact: string[]): string {
  const { view, by } = log
  const rows = (relation: string, isNew: boolean) =>
    `select r.${quoteIdentifier(by)} as slice, ${isNew} as is_new, hashtextextended(row(${exact.map((column) => `r.${quoteIdentifier(column)}`).join(', ')})::text, 0) as hash
   from ${relation} r where ${untouched(log).keeps(`r.${quoteIdentifier(by)}`)}`
  return `with ${touchedBy(log)} select jsonb_build_object('compared', count(*), 'wrong', count(*) filter (where is_wrong)) from (
  select (count(*) filter (where is_new), sum(hash) filter (where is_new)) is distinct from (count(*) filter (where not is_new), sum(hash) filter (where not is_new)) as is_wrong
    from (${rows(quoteName(queryViewOf(view)), true)}
  union all ${rows(quoteName(view), false)}) r group by slice) s`
}

/** Rows that nobody in this cluster can have written are not seen to leave the log, so they mean all. */
const isOdd = 't.at operator(pg_catalog.>=) pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())'

/** Whether a row of part `t` of a log means all slices. */
const isAll = ({ isKeyed, finds }: ReadLog['parts'][number]): string =>
  isKeyed || finds !== null ? `(t.whole or ${isOdd})` : 'true'

/** From how many slices on all are computed. */
const mostSlices = (most: number | null): number => Math.min(most ?? Infinity, mostRows + 1)

const wasRead = `(pg_visible_in_snapshot(t.at, (select current_setting('${logRead}')::pg_snapshot)) or ${isOdd})`

export const isBetween = (key: string, from: string, to: string): string =>
  `${key} operator(pg_catalog.>=) ${from} and ${key} operator(pg_catalog.<=) ${to}`

/** The slices that a log names, or that have rows which are joined with what it names: a query of one column. */
const slicesIn = ({ by, parts }: ReadLog, where = 'true'): string =>
  parts
    .flatMap(({ log, isKeyed, joined, finds }) => {
      const named = (column: string) =>
        `select t.${quoteIdentifier(column)} from ${log} t where not t.whole and ${where}`
      if (isKeyed) return named(by)
      return finds === null ? [] : `${finds.query} (array(${named(joined!)}))`
    })
    .join(' union all ')

/** What a log names, for `untouched`. It is read once, and not if the log means all by itself. */
const touchedBy = (log: ReadLog): string =>
  `touched as materialized (select distinct t.k from (${slicesIn(log)}) t (k))`

/** Conditions on a log: that all is touched, that the slice of nulls is, and that the slice of a key is not. */
function untouched(log: ReadLog, most: number | null = null) {
  const every = (where: (part: ReadLog['parts'][number]) => string) =>
    log.parts.map((part) => `select from ${part.log} t${where(part)}`).join(' union all ')
  // First what ends early.
  const all = `(exists (${every(() => '')} offset ${mostRows}) or exists (${every((part) => ` where ${isAll(part)}`)})${
    most === null && !log.parts.some(({ finds }) => finds !== null)
      ? ''
      : ` or (select pg_catalog.count(*) operator(pg_catalog.>=) ${mostSlices(most)} from touched)`
  })`
  const none = 'exists (select from touched t where t.k is null)'
  return {
    all,
    none,
    // "distinct", because the server then expects few keys, hashes these and not the old rows, and so keeps the order of the old rows.
    keeps: (of: string): string =>
      `not ${all} and not exists (select from (select distinct t.k from touched t) t where t.k operator(pg_catalog.=) ${of}) and (${of} is not null or not ${none})`,
  }
}

/** The rows of the slices that the log holds, if that are less than `most`; else all. */
export function touchedRows(log: ReadLog, most: number | null = null): NonNullable<SomeRows> {
  const { all, none } = untouched(log, most)
  return {
    by: log.by,
    reads: `with ${touchedBy(log)} select ${all} as is_all, ${none} as has_null, array(select t.k from touched t where t.k is not null) as keys`,
    conditions: [
      // An array, because a condition with a subquery is not pushed below a GROUP BY.
      (key) => `($3 or ${key} operator(pg_catalog.=) any ($1))`,
      (key) => `not $3 and $2 and ${key} is null`,
    ],
  }
}
