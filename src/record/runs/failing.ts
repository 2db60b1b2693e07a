import type { Sql } from '../../server/database.ts'
import type { QualifiedName } from '../../words/names.ts'
import { mayRetry, problemCodes } from '../../words/problem.ts'

/** Whether a run has proved that a refresh would change nothing. */
export const isUnneeded = (run: string): string =>
  `viewkeeper.is_unneeded(${run}.status, ${run}.as_of, ${run}.error, ${run}.built_at)`

/**
 * Whether run r failed. A drop makes no data, so its failure does not count. Nor does a refusal that a caller got as the answer,
 * unless waiting may fix it.
 */
const hasFailed = (sql: Sql) => sql`
  (r.status = 'failed' and r.operation <> 'drop'
   and not (r.started_at is null and r.trigger in ('http', 'cli', 'program')
            and not coalesce(${sql.json(problemCodes.filter(mayRetry))}::jsonb ? (r.error ->> 'class'), true)))`

/** Whether run r was skipped, because another view failed. */
export const wasLeftOut = (sql: Sql) => sql`
  (r.status = 'skipped' and r.error ->> 'class' in ('UpstreamFailed', 'NotExchanged'))`

/** The `most` runs of definition d that ended last of which this is true. A run may end after runs that were requested later. */
const lastOf = (
  sql: Sql,
  isOne: ReturnType<typeof hasFailed>,
  { most = 1, columns = 'r.id, r.finished_at' } = {},
) => sql`
  select ${sql.unsafe(columns)} from viewkeeper.runs r where r.definition_id = d.id and ${isOne}
   order by r.finished_at desc, r.id desc limit ${sql.unsafe(String(most))}`

/**
 * The last run of definition d of which this is true, unless a run that ended later is well: one of the latest 20 successes that is not of slices
 * asked for, or a proof requested after the first of the last 20 failures. `among`: the statement looks no further if this has no row.
 */
const unmended = (
  sql: Sql,
  isFailure: ReturnType<typeof hasFailed>,
  among = sql`(values (1)) any_view`,
) => sql`
  select failure.finished_at, failure.class
    from ${among}
   cross join lateral (${lastOf(sql, isFailure, { columns: "r.id, r.finished_at, r.error ->> 'class' as class" })}) failure
   where not exists (
           select from (select s.id from viewkeeper.runs s where s.definition_id = d.id and s.status = 'success' and s.fills order by s.id desc limit 20) few join viewkeeper.runs success using (id)
            where (success.finished_at, id) > (failure.finished_at, failure.id) and success.meta #> '{request,slices}' is null)
     and not exists (
           select from (
             select h.id from viewkeeper.runs h
              where h.definition_id = d.id and h.status = 'skipped' and (h.finished_at, h.id) > (failure.finished_at, failure.id)
                and h.id > (select min(id) from (${lastOf(sql, isFailure, { most: 20 })}) few)
              order by h.id desc) later
            join viewkeeper.runs r on r.id = later.id where ${sql.unsafe(isUnneeded('r'))})`

/** The failure of definition d, for `lateral` and `exists`; no row if the view does not fail. */
export const failureOf = (sql: Sql) => unmended(sql, hasFailed(sql))

/** The views among these that fail. */
export const findFailed = (sql: Sql, views: QualifiedName[]): Promise<QualifiedName[]> => sql<
  QualifiedName[]
>`
  select d.schema_name as schema, d.name
    from jsonb_array_elements(${sql.json(views as never)}::jsonb) v
    join viewkeeper.definitions d on d.schema_name = v ->> 'schema' and d.name = v ->> 'name'
   where exists (${failureOf(sql)}) order by 1, 2`

/** Whether view d may fail, with the columns of `latest_runs`: something failed after the last success, or after what its rows are as of. */
export const mayFail = (sql: Sql) => sql`
  (d.last_failure_id is not null
   and ((d.last_failure_at, d.last_failure_id) < (d.last_success_at, d.last_success_id) and d.last_failure_at < d.as_of) is not true)`

/** The failure of d with these columns. Most views are well: of them, no run is read (`offset 0`: otherwise the run is read first). */
export const failureOfLatest = (sql: Sql) =>
  unmended(sql, hasFailed(sql), sql`(select where ${mayFail(sql)} offset 0) newest`)

/** The last run of definition d that was skipped because another view failed, as `failureOf`. */
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

/** Since when checks hold the data of view k back, of which a check failed the last refresh. */
export const checkFailedSince = (sql: Sql) => sql`
  (select min(r.finished_at) from viewkeeper.runs r
    where r.definition_id = k.id and r.status = 'failed' and r.error ->> 'class' = 'CheckFailed'
      and r.finished_at > coalesce(k.last_success_at, '-infinity'))`
