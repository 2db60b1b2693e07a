import type {
  EndedBatch,
  FailedRun,
  SlowRun,
  ToldTrouble,
  ViewFact,
} from '../../plan/monitoring/notice-facts.ts'
import { isSlow } from '../../plan/monitoring/runs.ts'
import type { Sql } from '../server/connect.ts'

/** The same failure of a view is told again after this time. */
const sameFailure = '12 hours'

/** More than this at once is told in pieces. */
const atOnce = 1000

const errorOf = (sql: Sql, error: string) => sql`
  jsonb_build_object('class', ${sql.unsafe(error)} ->> 'class', 'message', ${sql.unsafe(error)} ->> 'message',
                     'sqlstate', ${sql.unsafe(error)} ->> 'sqlstate')`

/** The troubles that last, and those whose end no notice has told of yet. */
export const readTold = (sql: Sql): Promise<ToldTrouble[]> => sql<ToldTrouble[]>`
  select t.trouble, t.name, t.told_at as "toldAt", t.began_at as "beganAt", t.over_at as "overAt",
         to_jsonb(moment.last) #>> '{}' as stamp, coalesce(t.noticed_at >= t.began_at, false) as known,
         coalesce(t.noticed_at < moment.last, true) as "isNews"
    from viewkeeper.told t cross join lateral (select greatest(t.told_at, t.over_at) as last) moment
   where t.over_at is null or coalesce(t.noticed_at < t.over_at, true)
   order by t.trouble, t.name`

/**
 * The failed runs of which no notice has told yet. Refusals that a caller may have got as an answer come last, so that
 * many of them hide no failure.
 */
export const readFailedRuns = (sql: Sql): Promise<FailedRun[]> => sql<FailedRun[]>`
  select r.id, format('%I.%I', r.schema_name, r.view_name) as view, r.operation, r.batch_id as "batchId", r.status,
         r.trigger, r.started_at as "startedAt", r.finished_at as "finishedAt", ${errorOf(sql, 'r.error')} as error,
         exists (
           select from viewkeeper.runs told
            where told.definition_id = r.definition_id and told.status = 'failed' and told.id < r.id
              and told.noticed_at > clock_timestamp() - ${sameFailure}::interval
              and (told.error ->> 'class', told.error ->> 'sqlstate')
                  is not distinct from (r.error ->> 'class', r.error ->> 'sqlstate')
              and not exists (
                select from viewkeeper.runs well
                 where well.definition_id = r.definition_id and well.id > told.id and well.id < r.id
                   and well.status = 'success' and well.fills)) as "goesOn"
    from viewkeeper.runs r where r.status = 'failed' and r.noticed_at is null
   order by (r.started_at is null and r.trigger in ('http', 'cli')), r.id limit ${atOnce}`

/** The batches that failed or were canceled, and of which no notice has told yet, oldest first. */
export const readEndedBatches = (sql: Sql): Promise<EndedBatch[]> => sql<EndedBatch[]>`
  select b.id, b.status, b.finished_at as "finishedAt", ${errorOf(sql, 'b.error')} as error,
         exists (select from viewkeeper.runs r where r.batch_id = b.id and r.status = 'failed') as "hasFailedRun"
    from viewkeeper.batches b where b.status in ('failed', 'canceled') and b.noticed_at is null
   order by b.serial limit ${atOnce}`

/** A run takes at most a day, and may have waited for another day. */
const longestLife = '2 days'

/** The slow refreshes that ended since a moment, newest first. */
export async function readSlowRuns(sql: Sql, since: Date): Promise<SlowRun[]> {
  const runs = await sql<SlowRun[]>`
    select r.id, format('%I.%I', r.schema_name, r.view_name) as view, r.duration_ms as "durationMs", usual.ms as "usualMs",
           r.finished_at as "finishedAt"
      from viewkeeper.runs r cross join lateral viewkeeper.usual_duration(r.definition_id, r.id) usual
     where r.id >= viewkeeper.first_run_since(${since}::timestamptz - ${longestLife}::interval)
       and r.operation = 'refresh' and r.status = 'success' and coalesce(r.published_at, r.finished_at) > ${since}
     order by r.id desc limit ${atOnce}`
  return runs.filter(({ durationMs, usualMs }) => isSlow(durationMs, usualMs))
}

/**
 * How every view stands. A run that was skipped because another run was in its way says nothing about the view, and
 * neither does a drop, or a create that had nothing to do: the run before counts.
 */
export async function readViewFacts(sql: Sql): Promise<ViewFact[]> {
  const rows = await sql<ViewRow[]>`
  select format('%I.%I', d.schema_name, d.name) as view, latest.missing, latest.stale,
         (extract(epoch from latest.staleness) * 1000)::int8 as "ageMs",
         (extract(epoch from latest.max_staleness) * 1000)::int8 as "limitMs",
         latest.last_success_at as "lastSuccessAt", ended.id as "lastId", ended.operation as "lastOperation",
         ended.status as "lastStatus", ended.batch_id as "lastBatchId", ended.finished_at as "lastFinishedAt",
         ended.error as "lastError",
         ended.batch_canceled as "lastBatchCanceled",
         open.status as "openStatus", open.not_before as "openNotBefore"
    from viewkeeper.latest_runs latest
    join viewkeeper.definitions d on d.id = latest.definition_id
    left join lateral (
      select r.status, r.not_before from viewkeeper.runs r
       where r.definition_id = d.id and r.status in ('pending', 'running', 'built')
       order by r.id desc limit 1) open on true
    left join lateral (
      select r.id, r.operation, r.status, r.batch_id, r.finished_at,
             case when r.error is not null then ${errorOf(sql, 'r.error')} end as error,
             exists (
               select from viewkeeper.batches b
                where b.id = r.batch_id and b.cancel_requested_at is not null) as batch_canceled
        from viewkeeper.runs r
       where r.definition_id = d.id and r.status not in ('pending', 'running', 'built')
         and (r.operation = 'refresh' or (r.operation = 'create' and r.status <> 'skipped'))
         and r.error ->> 'class' is distinct from 'AlreadyRunning'
       order by r.id desc limit 1) ended on true`
  return rows.map(factOf)
}

interface ViewRow extends Omit<ViewFact, 'last' | 'open'> {
  lastId: number | null
  lastOperation: NonNullable<ViewFact['last']>['operation']
  lastStatus: NonNullable<ViewFact['last']>['status']
  lastBatchId: string | null
  lastFinishedAt: Date
  lastError: NonNullable<ViewFact['last']>['error']
  lastBatchCanceled: boolean
  openStatus: NonNullable<ViewFact['open']>['status'] | null
  openNotBefore: Date | null
}

const factOf = ({
  lastId,
  lastOperation,
  lastStatus,
  lastBatchId,
  lastFinishedAt,
  lastError,
  lastBatchCanceled,
  openStatus,
  openNotBefore,
  ...row
}: ViewRow): ViewFact => ({
  ...row,
  last:
    lastId === null
      ? null
      : {
          id: lastId,
          operation: lastOperation,
          status: lastStatus,
          batchId: lastBatchId,
          finishedAt: lastFinishedAt,
          error: lastError,
          batchCanceled: lastBatchCanceled,
        },
  open: openStatus === null ? null : { status: openStatus, notBefore: openNotBefore },
})

/** The names of all views and functions that are set aside. */
export const readAside = async (sql: Sql): Promise<Set<string>> =>
  new Set((await sql<{ name: string }[]>`select name from viewkeeper.set_aside`).map(({ name }) => name))

/** The server's time. */
export async function readClock(sql: Sql): Promise<Date> {
  const [row] = await sql<[{ now: Date }]>`select clock_timestamp() as now`
  return row.now
}
