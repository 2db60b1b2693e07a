import type { Sql } from '../../server/database.ts'
import { mayUse } from '../../server/own-rights.ts'
import { madeChecks } from '../../sql/settings.ts'
import type { QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import type { Trigger } from '../../words/run.ts'
import { ensureDefinition } from '../definitions/definitions.ts'
import type { ActionName } from '../plan/action-words.ts'
import type { RunRequest, RunResponse } from '../runs/runs.ts'

/** What is kept of a view that is set aside, as far as the record reads it. */
interface Kept {
  live: { view: QualifiedName }
}

/** Something that is set aside. */
export interface SetAside<Item extends Kept = Kept> {
  item: Item
  name: string
  reading: string[]
  by: string
  at: Date
}

/**
 * Lets one session at a time set aside or put back, until the end of the transaction. Reading goes on.
 */
export const lockMemory = async (sql: Sql): Promise<void> => {
  await sql`lock table viewkeeper.set_aside in share row exclusive mode`
}

/** Remembers what a transaction takes away. */
export async function remember(sql: Sql, items: { name: string; item: Kept }[], reading: string[]) {
  const rows = items.map((each, position) => ({ position, ...each }))
  await sql`
    insert into viewkeeper.set_aside (act, position, kind, name, item, reading)
    select (select coalesce(max(act), 0) + 1 from viewkeeper.set_aside), x.position, 'view', x.name, x.item,
           array(select jsonb_array_elements_text(${sql.json(reading)}))
      from jsonb_to_recordset(${sql.json(rows as never)}) as x(position integer, name text, item jsonb)`
}

/** All that is set aside, in the order in which it is made again. */
export const readSetAside = <Item extends Kept>(sql: Sql): Promise<SetAside<Item>[]> => sql<SetAside<Item>[]>`
  select item, name, to_jsonb(reading) as reading, set_aside_by::text as by, set_aside_at as at
    from viewkeeper.set_aside order by act desc, position`

/** Forgets things that were set aside. */
export async function forget(sql: Sql, names: string[]): Promise<void> {
  await sql`
    delete from viewkeeper.set_aside where name in (select jsonb_array_elements_text(${sql.json(names)}))`
}

/** What a login does to views without the API. */
interface Act {
  action: ActionName
  requestedBy: string
  views: string[]
  /** The options. */
  request: Record<string, unknown>
}

/**
 * Records what a login did without the API, in the transaction of the deed. Records nothing in a database without the table,
 * and for a login that may not write it.
 */
export async function noteAction(sql: Sql, { action, requestedBy, views, request }: Act): Promise<void> {
  if (await mayUse(sql, 'insert', 'actions'))
    await sql`
      insert into viewkeeper.actions (action, requested_by, views, request)
      values (${action}, ${requestedBy}, ${sql.json(views)}, ${sql.json(request as never)})`
}

/** Who has views made again, and why: what the runs of these views say. */
export interface MadeBy {
  trigger: Extract<Trigger, 'deploy' | 'cli'>
  requestedBy: string
  request: Record<string, unknown>
  because: string
}

/** Whether there is a schema `viewkeeper` of this version or a later one, and our login may write runs. */
export async function mayRecordRuns(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ may: boolean }[]>`
    select count(*) = 2 and to_regproc('viewkeeper.seen') is not null as may from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'viewkeeper' and c.relname in ('runs', 'definitions') and has_schema_privilege(n.oid, 'usage')
       and has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert') and has_table_privilege(c.oid, 'update')`
  return row?.may ?? false
}

/** Refuses (CatalogChanged) shadows that a batch has built: it exchanges or drops them, and nobody else may. */
export async function insistOnNoShadow(sql: Sql, oids: number[]): Promise<void> {
  if (!(await mayRecordRuns(sql))) return
  const [built] = await sql<{ view: string; batch: string }[]>`
    select format('%I.%I', r.schema_name, r.view_name) as view, r.batch_id as batch
      from viewkeeper.runs r join jsonb_array_elements_text(${sql.json(oids)}) x(oid) on r.filled = viewkeeper.filling(x.oid::oid)
     where r.status = 'built' limit 1`
  if (built !== undefined)
    throw new Problem(
      'CatalogChanged',
      `batch ${built.batch} has built ${built.view} anew, and waits to exchange it`,
    )
}

/** The run that makes a view again. */
export const runOf = async (
  sql: Sql,
  { live: { view } }: Kept,
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

/** A view that was made again here, and when. */
export interface Filled {
  item: Kept
  fills: boolean
  /** How old the data are that the view was filled with; null if it was not filled. */
  seen: Seen | null
  sql: string[]
  /** As the server writes them. */
  began: string
  ended: string
}

/** How old data are, and the OID of the view that holds them. */
interface Seen {
  oid: number
  asOf: string | null
  heldBackBy: string | null
  /** Why nobody can know how old they will be; absent: somebody can. */
  inputs?: { because: string }
}

/** How old the data will be that a view is filled with next; `filled` was filled in the same transaction. */
export async function readSeen(sql: Sql, { schema, name }: QualifiedName, filled: Filled[]): Promise<Seen> {
  const known = Object.fromEntries(filled.flatMap(({ seen }) => (seen === null ? [] : [[seen.oid, seen]])))
  const [row] = await sql<[{ seen: Seen }]>`
    select viewkeeper.lock_read(c.oid), viewkeeper.seen(c.oid, ${schema}, ${name}, ${sql.json(known as never)}) || jsonb_build_object('oid', c.oid, 'view', jsonb_build_array(${schema}::text, ${name}::text)) as seen
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = ${schema} and c.relname = ${name}`
  return row.seen
}

export async function readClock(sql: Sql): Promise<string> {
  const [row] = await sql<{ now: string }[]>`select clock_timestamp()::text as now`
  return row?.now as string
}

/** Records the runs of views in the transaction that made them: a record and its view come together or not at all. */
export async function recordFilled(sql: Sql, filled: Filled[], madeBy: MadeBy): Promise<void> {
  for (const { item, fills, seen, sql: statements, began, ended } of filled) {
    const run = await runOf(sql, item, madeBy)
    const response: RunResponse = { because: madeBy.because, sql: statements }
    await sql`
      insert into viewkeeper.runs (definition_id, schema_name, view_name, operation, trigger, requested_by, caller, fills, meta,
                                   status, result, requested_at, started_at, finished_at, updated_at, duration_ms,
                                   as_of, held_back_by, inputs, filled, checks)
      select ${run.definitionId}, ${run.schema}, ${run.name}, ${run.operation}, ${run.trigger}, ${run.requestedBy}, ${run.caller},
             ${fills}, ${sql.json({ request: run.request, response } as never)}, 'success', 'created', x.began, x.began, x.ended, x.ended,
             extract(epoch from x.ended - x.began) * 1000, ${seen?.asOf ?? null}::text::timestamptz, ${seen?.heldBackBy ?? null},
             nullif(${sql.json((seen?.inputs ?? null) as never)}::jsonb, 'null'),
             viewkeeper.filling(${seen?.oid ?? null}::oid),
             (select jsonb_agg(c - 'view') from jsonb_array_elements(nullif(current_setting(${madeChecks}, true), '')::jsonb) c
               where c ->> 'view' = ${`${run.schema}.${run.name}`})
        from (select ${began}::text::timestamptz as began, ${ended}::text::timestamptz as ended) x`
  }
}
