import type { RunStatus } from '../../plan/run.ts'
import type { Sql } from '../server/connect.ts'

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
           r.error ->> 'class' as class, r.error ->> 'sqlstate' as sqlstate,
           case when r.status in ('failed', 'canceled', 'skipped')
             then coalesce(r.error ->> 'message', r.meta #>> '{response,because}') end as message
      from viewkeeper.runs r where r.batch_id = ${batchId} order by r.attempt`
