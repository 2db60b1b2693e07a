import type { Sql } from '../../server/database.ts'
import { withTransaction } from '../../server/transactions.ts'
import { type Batch, batchColumns } from '../batches/batches.ts'
import { isSlow } from '../plan/batch.ts'
import type { FailedBatch, SlowRun } from '../plan/watch.ts'
import { errorOf, mostCharacters } from '../runs/history.ts'
import { isWorkedOn } from '../runs/life.ts'
import { type RunRow, runColumns } from '../runs/runs.ts'

/** A run that has ended, and the usual duration of its view at that time: see `usualMs`. */
export interface EndedRun extends RunRow {
  usualMs: number | null
  /** Whether the run's success has made the view's data fresh. */
  fills: boolean
}

/**
 * Passes at most `limit` ended, unpublished runs to `publish`, oldest first, and marks them as published afterwards. So
 * each run is published at least once, and twice only if this process dies in between. Runs that somebody else is
 * publishing now are left out. A run whose server process still counts its rows is published the next time. Without
 * `programs`, the runs never become events.
 */
export const publishEndedRuns = (
  sql: Sql,
  limit: number,
  publish: (runs: EndedRun[]) => void,
  programs = true,
): Promise<number> =>
  publishRows(
    sql,
    'runs',
    (transaction) => transaction<EndedRun[]>`
      select ${runColumns(transaction)}, r.fills, case when r.operation = 'refresh' and r.status = 'success' then ${usualMs(transaction)} end as "usualMs"
        from viewkeeper.runs r
       cross join lateral viewkeeper.usual_duration(r.definition_id, r.id) usual
       where r.finished_at is not null and r.published_at is null
         and not (r.plan is not null and ${transaction.unsafe(isWorkedOn)})
       order by r.id limit ${limit} for update of r skip locked`,
    publish,
    (transaction, ids) => transaction`
      update viewkeeper.runs set published_at = clock_timestamp(), announced_at = ${told(transaction, programs)}
       where id in (select value::int8 from jsonb_array_elements_text(${transaction.json(ids)}))`,
  )

/** Publishes ended batches in the same way. */
export const publishEndedBatches = (
  sql: Sql,
  limit: number,
  publish: (batches: Batch[]) => void,
  programs = true,
): Promise<number> =>
  publishRows(
    sql,
    'batches',
    (transaction) => transaction<Batch[]>`
      select ${batchColumns(transaction)} from viewkeeper.batches b
       where b.finished_at is not null and b.published_at is null
       order by b.serial limit ${limit} for update skip locked`,
    publish,
    (transaction, ids) => transaction`
      update viewkeeper.batches set published_at = clock_timestamp(), announced_at = ${told(transaction, programs)}
       where id in (select value from jsonb_array_elements_text(${transaction.json(ids)}))`,
  )

const told = (sql: Sql, programs: boolean) =>
  programs ? sql`announced_at` : sql`coalesce(announced_at, '-infinity')`

/** Publishing takes milliseconds. A process that takes longer hangs, and must not keep its rows from others. */
const longestPublishing = '5s'

/**
 * Locks the rows until they are marked, so that nobody else publishes them. Marks them after publishing: if this process
 * dies in between, the rows are published twice rather than never. Returns how many were published.
 */
async function publishRows<Row extends { id: number | string }>(
  sql: Sql,
  table: 'runs' | 'batches',
  take: (transaction: Sql) => Promise<Row[]>,
  publish: (rows: Row[]) => void,
  mark: (transaction: Sql, ids: Row['id'][]) => Promise<unknown>,
): Promise<number> {
  const waiting = await sql`
    select from viewkeeper.${sql(table)} where finished_at is not null and published_at is null limit 1`
  if (waiting.length === 0) {
    publish([])
    return 0
  }
  return withTransaction(sql, async (transaction) => {
    await transaction`select set_config('idle_in_transaction_session_timeout', ${longestPublishing}, true)`
    const rows = await take(transaction)
    publish(rows)
    if (rows.length > 0)
      await mark(
        transaction,
        rows.map(({ id }) => id),
      )
    return rows.length
  })
}

/** The batches of the last day that failed by themselves, and not all of whose views have succeeded since, oldest first. */
export const readFailedBatches = async (sql: Sql): Promise<FailedBatch[]> => [
  ...(await sql<FailedBatch[]>`
    select b.id, b.finished_at as "finishedAt", ${sql.unsafe(errorOf('b', ['class', 'message', 'sqlstate'], mostCharacters))} as error
      from viewkeeper.batches b
     where b.status = 'failed' and b.error ->> 'class' <> 'ViewsFailed' and b.finished_at > clock_timestamp() - interval '1 day'
       and (exists (select from viewkeeper.batch_views v left join viewkeeper.latest_runs k on k.definition_id = v.definition_id
                     where v.batch_id = b.id and (k.last_success_at > b.finished_at) is not true)
            or not exists (select from viewkeeper.batch_views v where v.batch_id = b.id)
               and not exists (select from viewkeeper.batches later where later.serial > b.serial and later.status = 'success'))
     order by b.serial limit 20`),
]

/**
 * What the refresh of run `r` usually takes: the average of the 20 successes before, `usual`; where a change log tells which slices to compute, of a
 * refresh of all of them what the last one took to fill, and what this one did besides.
 */
const usualMs = (sql: Sql) => sql`
  case when r.meta #> '{response,slices}' ? 'world' and not r.meta #> '{response,slices}' ? 'anew'
       then (r.meta #>> '{response,slices,wholeMs}')::float8 + coalesce(r.duration_ms - (r.meta #>> '{response,fillMs}')::float8, 0) else usual.ms end`

/** The last successful refreshes of these views, and of those that were slow when it was last looked, if they took much longer than usual. */
export async function readSlowRuns(sql: Sql, views: string[]): Promise<SlowRun[]> {
  const before = await sql<{ subject: string }[]>`
    select subject from viewkeeper.incidents where resolved_at is null and 'slow' = any (kinds)`
  return slowAmong(sql, [...new Set([...views, ...before.map(({ subject }) => subject)])])
}

/** The same of these views only. */
export async function slowAmong(sql: Sql, suspects: string[]): Promise<SlowRun[]> {
  if (suspects.length === 0) return []
  const runs = await sql<SlowRun[]>`
    select s.view, r.id, r.duration_ms as "durationMs", ${usualMs(sql)} as "usualMs", (
             select coalesce(jsonb_agg(jsonb_build_array(c.what, c.before, c.now)) filter (where c.before <> c.now), '[]')
               from (select b.* from viewkeeper.runs b
                      where b.definition_id = d.id and b.id < r.id and b.status = 'success' and b.operation = 'refresh' order by b.id desc limit 1) b
               left join lateral (
                 select t.oid::regclass::text as name, t.reltuples::int8 as before, s.n_live_tup as now
                   from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_rewrite w on w.ev_class = c.oid
                   join pg_depend p on p.classid = 'pg_rewrite'::regclass and p.objid = w.oid and p.refclassid = 'pg_class'::regclass and p.refobjid <> c.oid
                   join pg_class t on t.oid = p.refobjid and t.reltuples >= 0 join pg_stat_all_tables s on s.relid = t.oid
                  where n.nspname = d.schema_name and c.relname = d.name and abs(s.n_live_tup - t.reltuples) > 1000 + t.reltuples / 5
                  order by abs(s.n_live_tup - t.reltuples) desc limit 1) grown on true
              cross join lateral (
                with recursive below(name) as (select s.view union select unnest(t.reads) from below join viewkeeper.parts t on t.name = below.name)
                select string_agg(i ->> 'sql', '; ') as index from below join viewkeeper.parts t on t.name = below.name cross join jsonb_array_elements(t.lost) i
                 where t.kind in ('r', 'p') and t.lost_at > b.finished_at - interval '1 hour') missing
              cross join lateral (values
                ('strategy', b.meta #>> '{response,strategy}', r.meta #>> '{response,strategy}'),
                ('rows', b.row_count_after::text, r.row_count_after::text),
                ('since the last analyze, rows of ' || grown.name, grown.before::text, grown.now::text),
                ('an index', missing.index, 'gone'),
                ('tries for its locks', b.meta #>> '{response,attempts}', r.meta #>> '{response,attempts}'),
                ('settings', b.meta #>> '{request,settings}', r.meta #>> '{request,settings}')) c(what, before, now)) as changed
      from (select value as view from jsonb_array_elements_text(${sql.json(suspects)})) s
      join viewkeeper.definitions d on d.removed_at is null and format('%I.%I', d.schema_name, d.name) = s.view
      join viewkeeper.latest_runs l on l.definition_id = d.id
      join viewkeeper.runs r on r.id = l.last_success_id and r.operation = 'refresh'
     cross join lateral viewkeeper.usual_duration(d.id, r.id) usual order by s.view`
  return runs.filter(({ durationMs, usualMs }) => isSlow(durationMs, usualMs))
}
