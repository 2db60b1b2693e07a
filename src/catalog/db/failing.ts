import { mayRetry, problemCodes } from '../../problem.ts'
import type { Sql } from '../../server/connect.ts'

/** Whether a run has proved that a refresh would change nothing. */
export const isUnneeded = (run: string): string =>
  `viewkeeper.is_unneeded(${run}.status, ${run}.as_of, ${run}.error, ${run}.built_at)`

/**
 * Whether run r failed. A drop makes no data, so its failure does not count. Nor does a refusal that a caller got as the answer,
 * unless waiting may fix it.
 */
const hasFailed = (sql: Sql) => sql`
  (r.status = 'failed' and r.operation <> 'drop'
   and not (r.started_at is null and r.trigger in ('http', 'cli')
            and not coalesce(${sql.json(problemCodes.filter(mayRetry))}::jsonb ? (r.error ->> 'class'), true)))`

/** Whether run r was skipped, because another view failed. */
export const wasLeftOut = (sql: Sql) => sql`
  (r.status = 'skipped' and r.error ->> 'class' in ('UpstreamFailed', 'NotExchanged'))`

/**
 * The run of definition d that ended last of which this is true, unless a run that ended later is well: one of the latest 20
 * successes, or a proof that was requested after the first of the last 20 troubles. A run may end after runs that were requested later.
 * `mayBeTrouble` is looked for first, in an index alone: most views are well, and then no run is read. The statuses are written
 * out: with parameters the server may not use the indexes.
 */
const unmended = (sql: Sql, isTrouble: ReturnType<typeof hasFailed>, mayBeTrouble = isTrouble, known = sql`true`) => {
  const last = (most: number, isOne: typeof isTrouble, columns = 'r.id, r.finished_at') => sql`
      select ${sql.unsafe(columns)} from viewkeeper.runs r where r.definition_id = d.id and ${isOne}
       order by r.finished_at desc, r.id desc limit ${sql.unsafe(String(most))}`
  const isLater = (run: string, than: string) =>
    sql.unsafe(`(${run}.finished_at, ${run}.id) > (${than}.finished_at, ${than}.id)`)
  const isMended = (run: string, isOne: typeof isTrouble) => sql`
    (exists (
      select from (
        select r.id, r.finished_at from viewkeeper.runs r
         where r.definition_id = d.id and r.status = 'success' and r.fills order by r.id desc limit 20) success
       where ${isLater('success', run)})
     or exists (
      select from (
        select h.id from viewkeeper.runs h
         where h.definition_id = d.id and h.status = 'skipped' and h.id > (select min(id) from (${last(20, isOne)}) few)
           and ${isLater('h', run)}
         order by h.id desc) later
       join viewkeeper.runs r on r.id = later.id where ${sql.unsafe(isUnneeded('r'))}))`
  // offset 0: otherwise the run is read before the conditions are looked at.
  return sql`
  select trouble.finished_at, trouble.class
    from (select from (${last(1, mayBeTrouble)}) newest where ${known} and not ${isMended('newest', mayBeTrouble)} offset 0) newest
   cross join lateral (${last(1, isTrouble, "r.id, r.finished_at, r.error ->> 'class' as class")}) trouble
   where not ${isMended('trouble', isTrouble)}`
}

/**
 * The failure of definition d, for `lateral` and `exists`; no row if the view does not fail. `knowing`: d also has the columns of
 * `latest_runs`, and nothing else is read of a view whose last success ended last.
 */
export const failureOf = (sql: Sql, { knowing = false } = {}) =>
  unmended(
    sql,
    hasFailed(sql),
    sql`r.status = 'failed' and r.operation <> 'drop'`,
    knowing
      ? sql`((newest.finished_at, newest.id) < (d.last_success_at, d.last_success_id)) is not true`
      : undefined,
  )

/** Since when checks hold the data of view k back, of which a check failed the last refresh. */
export const checkFailedSince = (sql: Sql) => sql`
  (select min(r.finished_at) from viewkeeper.runs r
    where r.definition_id = k.id and r.status = 'failed' and r.error ->> 'class' = 'CheckFailed'
      and r.finished_at > coalesce(k.last_success_at, '-infinity'))`

/** The same of a view that was skipped, because another view failed. */
export const leftOutSince = (sql: Sql) => unmended(sql, wasLeftOut(sql))

/**
 * By definition, the retry that waits for its time or for its turn, of a view that nobody has refreshed since: which run failed and why,
 * and the earliest start of the next attempt. For `join`.
 */
export const waitingRetry = (sql: Sql) => sql`
  select distinct on (r.definition_id) r.definition_id,
         jsonb_build_object('runId', failed.id, 'at', r.not_before, 'message', left(failed.error ->> 'message', 300)) as retry
    from viewkeeper.runs r
    join viewkeeper.runs failed
      on failed.batch_id = r.batch_id and failed.definition_id = r.definition_id and failed.attempt = r.attempt - 1
   where r.status = 'pending' and r.not_before is not null
     and not exists (select from viewkeeper.runs later
                      where later.definition_id = r.definition_id and later.finished_at > failed.finished_at
                        and later.operation = 'refresh' and later.status = 'success')
   order by r.definition_id, r.not_before`
