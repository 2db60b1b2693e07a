import type { AsideView } from '../../plan/aside/items.ts'
import type { Trigger } from '../../plan/run.ts'
import type { RunRequest, RunResponse } from '../runs/runs.ts'
import type { Sql } from '../server/connect.ts'
import { ensureDefinition } from '../views/definitions.ts'

/** Who has views made again, and why: what the runs of these views say. */
export interface MadeBy {
  trigger: Extract<Trigger, 'deploy' | 'cli'>
  requestedBy: string
  request: Record<string, unknown>
  because: string
}

/** Whether there is a schema `viewkeeper`, and our login may write runs. */
export async function mayRecordRuns(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ may: boolean }[]>`
    select count(*) = 2 as may from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'viewkeeper' and c.relname in ('runs', 'definitions') and has_schema_privilege(n.oid, 'usage')
       and has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert') and has_table_privilege(c.oid, 'update')`
  return row?.may ?? false
}

/** The run that makes a view again. */
export const runOf = async (
  sql: Sql,
  { live: { view } }: AsideView,
  { trigger, requestedBy, request }: MadeBy,
): Promise<RunRequest> => ({
  definitionId: (await ensureDefinition(sql, view)).id,
  schema: view.schema,
  name: view.name,
  operation: 'create',
  trigger,
  requestedBy,
  caller: requestedBy,
  idempotencyKey: null,
  request,
})

/**
 * Does the work of a run in the transaction of the caller, and records the run there: so its record and the view come
 * together or not at all. Nobody sees the run before.
 */
export async function recordingRun(
  sql: Sql,
  run: RunRequest,
  { fills, response }: { fills: boolean; response: RunResponse },
  work: () => Promise<void>,
): Promise<void> {
  const [row] = await sql<{ id: number }[]>`
    insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, requested_by, caller, fills, started_at, meta)
    values (${run.definitionId}, ${run.schema}, ${run.name}, ${run.operation}, ${run.trigger}, ${run.requestedBy}, ${run.caller},
            ${fills}, clock_timestamp(), ${sql.json({ request: run.request, response } as never)})
    returning id`
  await work()
  await sql`
    update viewkeeper.runs r set status = 'success', result = 'created', finished_at = x.now, updated_at = x.now,
           duration_ms = extract(epoch from x.now - r.started_at) * 1000
      from (select clock_timestamp() as now) x where r.id = ${row?.id as number}`
}
