import { literal, queryViewOf, quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { QualifiedName } from '../../words/names.ts'
import { logRead, mostRows } from './forget.ts'

/** A log of changes as a refresh reads it. */
export interface ReadLog {
  view: QualifiedName
  /** The column whose values are its slices. */
  by: string
  /** Its tables, as SQL writes them. Without a key, each row of one means all slices. */
  parts: { log: string; isKeyed: boolean }[]
}

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
export function countTouched({ view, by, parts }: ReadLog, most: number | null): string {
  const read = parts.map(
    ({ log, isKeyed }) =>
      `select ${isKeyed ? `to_jsonb(${quoteIdentifier(by)})` : 'null::jsonb'} as slice, whole or at >= pg_snapshot_xmax(pg_current_snapshot()) as whole from ${log} where ${wasRead}`,
  )
  return counted(
    `select case when not coalesce(bool_or(all_of_it), false) then count(*) end from (
      select slice, whole, sum(count(*)) over () > ${mostRows}${most === null ? '' : ` or count(*) over () >= ${most}`} or whole as all_of_it from (${read.join(' union all ')}) t group by slice, whole) t`,
    by,
    quoteName(view),
  )
}

/**
 * A query that compares what the query of a kept table makes with its rows, of slices that the log does not name by now. Both are of the same rows of tables,
 * because nothing has left the log: what a statement before this one has read was as it was when the old rows were made. Only
 * `exact` columns are compared, and the number of rows if there is none; counted are slices: a sum of hashes takes less than half the time of EXCEPT ALL.
 */
export function compareUntouched(log: ReadLog, exact: string[]): string {
  const { view, by } = log
  const rows = (relation: string, isNew: boolean) =>
    `select r.${quoteIdentifier(by)} as slice, ${isNew} as is_new, hashtextextended(row(${exact.map((column) => `r.${quoteIdentifier(column)}`).join(', ')})::text, 0) as hash
   from ${relation} r where ${untouched(log).keeps(`r.${quoteIdentifier(by)}`)}`
  return `select jsonb_build_object('compared', count(*), 'wrong', count(*) filter (where is_wrong)) from (
  select (count(*) filter (where is_new), sum(hash) filter (where is_new)) is distinct from (count(*) filter (where not is_new), sum(hash) filter (where not is_new)) as is_wrong
    from (${rows(quoteName(queryViewOf(view)), true)}
  union all ${rows(quoteName(view), false)}) r group by slice) s`
}

const wasRead = `(pg_visible_in_snapshot(at, (select current_setting('${logRead}')::pg_snapshot)) or at >= pg_snapshot_xmax(pg_current_snapshot()))`

export const isBetween = (key: string, from: string, to: string): string =>
  `${key} operator(pg_catalog.>=) ${from} and ${key} operator(pg_catalog.<=) ${to}`

/** Conditions on a log: that all is touched, that the slice of nulls is, and that the slice of a key is not. */
function untouched({ by, parts: logs }: ReadLog, most: number | null = null) {
  const key = quoteIdentifier(by)
  const keyed = logs.filter(({ isKeyed }) => isKeyed)
  const every = (from: ReadLog['parts'], what: string, where: string) =>
    from.map((each) => `select ${what} from ${each.log} t${where}`).join(' union all ')
  // Rows that nobody in this cluster can have written are not seen to leave the log, so they mean all.
  const isWhole =
    ' where t.whole or t.at operator(pg_catalog.>=) pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())'
  const named = every(keyed, `t.${key}`, '')
  const touched = every(keyed, `t.${key}`, ' where not t.whole')
  // First what ends early.
  const all = `(exists (${every(logs, '', '')} offset ${mostRows}) or exists (${every(logs, '', isWhole)})${
    most === null
      ? ''
      : ` or (select pg_catalog.count(distinct row(t.k)) operator(pg_catalog.>=) ${most} from (${touched}) t (k))`
  })`
  const none = `exists (${every(keyed, '', ` where t.${key} is null and not t.whole`)})`
  return {
    touched,
    all,
    none,
    // "distinct", because the server then expects few keys, hashes these and not the old rows, and so keeps the order of the old rows.
    keeps(of: string): string {
      return `not ${all} and not exists (select from (select distinct t.${key} from (${named}) t) t where t.${key} operator(pg_catalog.=) ${of}) and (${of} is not null or not ${none})`
    },
  }
}

/** Conditions on a key, of which one holds for each row with a slice that the log holds. */
export function touchedRows(log: ReadLog, most: number | null = null): ((key: string) => string)[] {
  const { all, none, touched } = untouched(log, most)
  return [
    // An array, because a condition with a subquery is not pushed below a GROUP BY.
    (key) =>
      `not ${all} and ${key} operator(pg_catalog.=) any (array(select distinct t.* from (${touched}) t))`,
    (key) => `not ${all} and ${none} and ${key} is null`,
    () => all,
  ]
}
