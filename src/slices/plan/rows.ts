import { literal, queryViewOf, quoteIdentifier, quoteName } from '../../sql/names.ts'
import { logRead, mostRows } from './forget.ts'
import { type ChangeLog, logsOf, type TableLog } from './log.ts'

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

/**
 * How many slices the log holds that were in it at `viewkeeper.log_read`, unless it means all. `isWhole`: all slices were computed anyway. `most`: see
 * `touchedRows`.
 */
export function countTouched(changes: ChangeLog, isWhole: boolean, most: number | null = null): string {
  const { by } = changes
  const read = logsOf(changes).map(
    ({ log, table }) =>
      `select ${table.key === null ? 'null::jsonb' : `to_jsonb(${quoteIdentifier(by)})`} as slice, whole or at >= pg_snapshot_xmax(pg_current_snapshot()) as whole from ${log} where ${wasRead}`,
  )
  return counted(
    isWhole
      ? 'null::int8'
      : `select case when not coalesce(bool_or(all_of_it), false) then count(*) end from (
      select slice, whole, sum(count(*)) over () > ${mostRows}${most === null ? '' : ` or count(*) over () >= ${most}`} or whole as all_of_it from (${read.join(' union all ')}) t group by slice, whole) t`,
    by,
    quoteName(changes.view),
  )
}

/**
 * A query that compares what the query of a kept table makes with its rows, of slices that the log does not name by now. Both are of the same rows of tables,
 * because nothing has left the log: what a statement before this one has read was as it was when the old rows were made. Only
 * `exact` columns are compared, and the number of rows if there is none; counted are slices: a sum of hashes takes less than half the time of EXCEPT ALL.
 */
export function compareUntouched(log: ChangeLog): string {
  const { view, by, exact } = log
  const rows = (relation: string, isNew: boolean) =>
    `select r.${quoteIdentifier(by)} as slice, ${isNew} as is_new, hashtextextended(row(${(exact ?? []).map((column) => `r.${quoteIdentifier(column)}`).join(', ')})::text, 0) as hash
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
function untouched(log: ChangeLog, most: number | null = null) {
  const key = quoteIdentifier(log.by)
  const logs = logsOf(log)
  const keyed = logs.filter(({ table }) => table.key !== null)
  const every = (from: TableLog[], what: string, where: string) =>
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
export function touchedRows(log: ChangeLog, most: number | null = null): ((key: string) => string)[] {
  const { all, none, touched } = untouched(log, most)
  return [
    // An array, because a condition with a subquery is not pushed below a GROUP BY.
    (key) =>
      `not ${all} and ${key} operator(pg_catalog.=) any (array(select distinct t.* from (${touched}) t))`,
    (key) => `not ${all} and ${none} and ${key} is null`,
    () => all,
  ]
}
