import type { Sql } from '../../server/database.ts'
import { mayUse } from '../../server/own-rights.ts'
import { isView, keptMark, literal, queryViewOf, quoteName } from '../../sql/names.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import { utc } from '../../words/phrases.ts'
import type { Operation, RunError, RunStatus } from '../../words/run.ts'
import { checkFailedSince } from './failing.ts'

// Read only when something has gone wrong: what a refresh that succeeds need not load.

/** That a view is authored and not there, since when, and who dropped it if the record knows, as a sentence; null: it is not authored. */
export async function sinceGone(sql: Sql, { schema, name }: QualifiedName): Promise<string | null> {
  // Who may read incidents may read what else is needed.
  if (!(await mayUse(sql, 'select', 'incidents'))) return null
  const [row] = await sql<
    {
      run: number | null
      at: Date
      by: string
      seen: Date | null
      found: Date | null
      keeper: string | null
    }[]
  >`
    select dropped.id as run, dropped.finished_at as at, dropped.requested_by as by, last.last_success_at as seen, i.opened_at as found,
           case when d.storage = 'table' then (select t.relowner::regrole::text from pg_catalog.pg_class t where t.oid = to_regclass(format('%I.%I', d.schema_name, d.name))) end as keeper
      from viewkeeper.definitions d
      left join viewkeeper.latest_runs last on last.definition_id = d.id
      left join lateral (
        select r.id, r.finished_at, r.requested_by from viewkeeper.runs r where r.definition_id = d.id and r.operation = 'drop' and r.status = 'success'
           and r.finished_at > coalesce(last.last_success_at, '-infinity')
         order by r.id desc limit 1) dropped on true
      left join viewkeeper.incidents i on i.subject = format('%I.%I', d.schema_name, d.name) and 'missing' = any (i.kinds) and i.resolved_at is null
     where d.schema_name = ${schema} and d.name = ${name} and d.removed_at is null and d.source = 'authored' and not exists (
       select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = d.schema_name and c.relname = d.name and (d.storage <> 'table' or c.relkind <> 'r' or ${sql.unsafe(isView('c'))}))`
  if (row === undefined) return null
  const { run, at, by, seen, found, keeper } = row
  const query = queryViewOf({ schema, name })
  const view = displayName({ schema, name })
  const when = [seen && `after ${utc(seen)}`, found && `before ${utc(found)}`]
    .filter((each) => each !== null)
    .join(' and ')
  return run !== null
    ? `${view} is authored and missing: run ${run} dropped it at ${utc(at)}, asked for by ${by || 'nobody who is known'}.`
    : keeper !== null
      ? `${view} has its rows, but not its query, so it is not refreshed: somebody dropped ${displayName(query)}, not with Viewkeeper${when && `, ${when}`}. ` +
        `If that query does not run any more, freeze another one after this, by which refreshes change nothing until then, as ${keeper}: create view ${quoteName(query)} as table ${quoteName({ schema, name })}; comment on view ${quoteName(query)} is ${literal(keptMark)};`
      : `${view} is authored and missing: ${when === '' ? 'it was never filled, and perhaps never made' : `somebody dropped it, not with Viewkeeper, ${when}`}.`
}

/** A run that has failed or was canceled, with what tells its cause of its view at this moment. */
interface FailedRun {
  id: number
  view: string
  operation: Operation
  status: RunStatus
  batchId: string | null
  finishedAt: Date | null
  error: RunError | null
  /** Whether somebody canceled the whole batch of the run. */
  batchCanceled: boolean
  /** As `Examined` has them. */
  lastSuccessAt: Date | null
  populated: boolean
  staleMs: number | null
  checkFailedSince: Date | null
}

/** One run with its view; undefined if the run has neither failed nor was canceled. */
export async function readFailedRun(sql: Sql, id: number): Promise<FailedRun | undefined> {
  const [row] = await sql<FailedRun[]>`
    select r.id, r.operation, r.status, r.batch_id as "batchId", r.finished_at as "finishedAt", r.error,
           format('%I.%I', r.schema_name, r.view_name) as view,
           exists (select from viewkeeper.batches b where b.id = r.batch_id and b.cancel_requested_at is not null) as "batchCanceled",
           k.last_success_at as "lastSuccessAt", coalesce(c.relispopulated, false) as populated,
           (date_part('epoch', statement_timestamp() - coalesce(k.as_of, k.last_success_at)) * 1000)::int8 as "staleMs",
           case r.error ->> 'class' when 'CheckFailed' then ${checkFailedSince(sql)} end as "checkFailedSince"
      from viewkeeper.runs r
      left join (select definition_id as id, last_success_at, as_of from viewkeeper.latest_runs) k on k.id = r.definition_id
      left join (select n.nspname, c.relname, c.relispopulated
                   from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                  where ${sql.unsafe(isView('c'))}) c on c.nspname = r.schema_name and c.relname = r.view_name
     where r.id = ${id} and r.status in ('failed', 'canceled')`
  return row
}
