import type { RunStatus } from '../../catalog/plan/run.ts'
import { mostOfText } from '../../run/db/runs.ts'
import type { Sql } from '../../server/connect.ts'

/** One attempt at a view of a batch. */
export interface BatchRun {
  definitionId: number
  runId: number
  status: RunStatus
  attempt: number
  /** The attempt may not start before this moment; null if it may start at once. */
  notBefore: Date | null
  startedAt: Date | null
  finishedAt: Date | null
  elapsedMs: number | null
  /** While the attempt is running: its phase, as in a run's progress; null before the first. */
  phase: string | null
  /** How long the attempt still has to wait for its `notBefore`. */
  waitMs: number
  /** The class, SQLSTATE and message of the attempt's error; of a skipped attempt, the reason. */
  class: string | null
  sqlstate: string | null
  message: string | null
}

/** The attempts of a batch, ordered by their number. */
export const readBatchRuns = (sql: Sql, batchId: string): Promise<BatchRun[]> => sql<BatchRun[]>`
    select r.definition_id as "definitionId", r.id as "runId", r.status, r.attempt, r.not_before as "notBefore",
           r.started_at as "startedAt", r.finished_at as "finishedAt",
           (extract(epoch from coalesce(r.finished_at, clock_timestamp()) - r.started_at) * 1000)::int8 as "elapsedMs",
           coalesce(greatest(0, extract(epoch from r.not_before - clock_timestamp()) * 1000), 0)::int8 as "waitMs",
           nullif(split_part(a.application_name, ' ', 4), '') as phase, r.error ->> 'class' as class,
           r.error ->> 'sqlstate' as sqlstate,
           case when r.status in ('failed', 'canceled', 'skipped')
             then left(coalesce(r.error ->> 'message', r.meta #>> '{response,because}'), ${mostOfText}) end as message
      from viewkeeper.runs r
      left join pg_catalog.pg_stat_activity a on r.status = 'running' and a.pid = r.backend_pid
       and a.application_name like format('viewkeeper run %s %%', coalesce(r.group_run_id, r.id))
     where r.batch_id = ${batchId} order by r.attempt`
