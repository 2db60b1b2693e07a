import { literal, quoteIdentifier, quoteName } from '../../sql/names.ts'
import { type ChangeLog, logOf } from './log.ts'
import type { Shown } from './shown.ts'

/** Which rows have a value of column `by` of the materialized view that is in a slice to be computed anew. */
interface Part {
  by: string
  columns: Shown['columns']
}

/** The rows of a view: those of old slices, and those that its query computes anew. Each condition is one on a key, as SQL writes that. */
function filled(
  { by, columns }: Part,
  { kept, query }: { kept: string; query: string },
  { keeps, computes }: { keeps: (key: string) => string; computes: ((key: string) => string)[] },
): string {
  const called = columns.find(({ above }) => above === by)!.name
  const old = columns.map(({ name, above }) => `o.${quoteIdentifier(above)} as ${quoteIdentifier(name)}`)
  const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ')
  return [
    `select ${old.join(', ')} from ${kept} as o where ${keeps(`o.${quoteIdentifier(by)}`)}`,
    ...computes.map(
      (condition) =>
        `select * from (${query}) as q (${names}) where ${condition(`q.${quoteIdentifier(called)}`)}`,
    ),
  ].join('\nunion all\n')
}

/**
 * A query for how many slices were computed `anew`, and how many the view has, by the statistics of its analyzed shadow, which count a sample: `of`.
 * A number that nobody knows is left out: of those that are computed anew, because all are.
 */
const counted = (anew: string, { by }: Part, shadow: string): string =>
  `select jsonb_strip_nulls(jsonb_build_object('anew', (${anew}), 'of', (
    select round(case when s.n_distinct < 0 then -s.n_distinct * c.reltuples else s.n_distinct end) + (s.null_frac > 0)::int
      from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname
     where c.oid = ${literal(shadow)}::regclass and s.attname = ${literal(by)})))`

/** How many slices there are between two values, ends included. */
export const countBetween =
  (part: Part, from: string, to: string) =>
  (shadow: string): string => {
    const key = quoteIdentifier(part.by)
    return counted(
      `select count(*) from (select distinct ${key} from ${shadow} where ${isBetween(key, from, to)}) s`,
      part,
      shadow,
    )
  }

/** How many slices the log holds that were in it at `viewkeeper.log_read`. `isWhole`: all slices were computed anyway. */
export const countTouched =
  (part: Part, view: ChangeLog['view'], isWhole: boolean) =>
  (shadow: string): string =>
    counted(
      isWhole
        ? 'null::int8'
        : `select case when not coalesce(bool_or(whole), false) then count(*) end from (
      select distinct ${quoteIdentifier(part.by)}, whole from ${quoteName(logOf(view))} where ${wasRead}) t`,
      part,
      shadow,
    )

/**
 * A query that compares the new rows of slices that the log does not name by now with the old ones. They were computed from the same rows of tables,
 * because nothing leaves the log before the exchange: what a statement before this one has read was as it was when the old rows were made. Only
 * `exact` columns are compared, and the number of rows if there is none; counted are slices: a sum of hashes takes less than half the time of EXCEPT ALL.
 */
export const compareUntouched =
  ({ by }: Part, view: ChangeLog['view'], exact: string[]) =>
  (shadow: string, old = quoteName(view)): string => {
    const rows = (relation: string, isNew: boolean) =>
      `select r.${quoteIdentifier(by)} as slice, ${isNew} as is_new, hashtextextended(row(${exact.map((column) => `r.${quoteIdentifier(column)}`).join(', ')})::text, 0) as hash
   from ${relation} r where ${untouched(by, view).keeps(`r.${quoteIdentifier(by)}`)}`
    return `select jsonb_build_object('compared', count(*), 'wrong', count(*) filter (where is_wrong)) from (
  select (count(*) filter (where is_new), sum(hash) filter (where is_new)) is distinct from (count(*) filter (where not is_new), sum(hash) filter (where not is_new)) as is_wrong
    from (${rows(shadow, true)}
  union all ${rows(old, false)}) r group by slice) s`
  }

/** A statement that touches all slices, for the one refresh whose transaction it is in, if the log names at least so many. */
export const touchAll = ({ by }: Part, view: ChangeLog['view'], tooMany: number): string => {
  const log = quoteName(logOf(view))
  return `insert into ${log} (whole) select true from (select distinct ${quoteIdentifier(by)} from ${log}) t having count(*) >= ${tooMany}`
}

/** The server's setting that says what a refresh has read of the log: what this snapshot sees. */
export const logRead = 'viewkeeper.log_read'

/** Whether a row of the log is what a refresh has read, or its own. That leaves the log with the exchange. */
export const wasRead = `(pg_visible_in_snapshot(at, (select current_setting('${logRead}')::pg_snapshot)) or at = pg_current_xact_id())`

const isBetween = (key: string, from: string, to: string): string =>
  `${key} operator(pg_catalog.>=) ${from} and ${key} operator(pg_catalog.<=) ${to}`

/** The rows with the slices between two values anew, ends included. A null is in no slice between two values: its rows are kept. */
export const rowsBetween =
  (part: Part, from: string, to: string) =>
  (kept: string, query: string): string => {
    const isAnew = (key: string) => isBetween(key, from, to)
    return filled(
      part,
      { kept, query },
      { keeps: (key) => `(${isAnew(key)}) is not true`, computes: [isAnew] },
    )
  }

/** Conditions on a log: that all is touched, that the slice of nulls is, and that the slice of a key is not. */
function untouched(by: string, view: ChangeLog['view']) {
  const log = quoteName(logOf(view))
  const touched = `t.${quoteIdentifier(by)}`
  const all = `exists (select from ${log} t where t.whole)`
  const none = `exists (select from ${log} t where ${touched} is null and not t.whole)`
  return {
    log,
    touched,
    all,
    none,
    // "distinct", because the server then expects few keys, hashes these and not the old rows, and so keeps the order of the old rows.
    keeps: (key: string) =>
      `not ${all} and not exists (select from (select distinct ${touched} from ${log} t) t where ${touched} operator(pg_catalog.=) ${key}) and (${key} is not null or not ${none})`,
  }
}

/**
 * The rows with all slices anew that the log holds when the statement begins, under the one snapshot of the statement. If all are touched, the
 * query is computed whole, and nothing else is.
 */
export const rowsTouched =
  (part: Part, view: ChangeLog['view']) =>
  (kept: string, query: string): string => {
    const { log, touched, all, none, keeps } = untouched(part.by, view)
    return filled(
      part,
      { kept, query },
      {
        keeps,
        computes: [
          // An array, because a condition with a subquery is not pushed below a GROUP BY.
          (key) =>
            `not ${all} and ${key} operator(pg_catalog.=) any (array(select distinct ${touched} from ${log} t where not t.whole))`,
          (key) => `not ${all} and ${none} and ${key} is null`,
          () => all,
        ],
      },
    )
  }
