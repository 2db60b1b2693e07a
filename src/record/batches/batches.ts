import type { Strategy } from '../../catalog/plan/definition.ts'
import type { Sql } from '../../server/database.ts'
import { newestPage, type Page, type Paged, pageOf } from '../../server/paging.ts'
import { inTransaction } from '../../server/transactions.ts'
import type { BatchEnd, BatchError, BatchStatus, Exchange, Trigger } from '../../words/run.ts'
import type { Selection } from '../plan/batch.ts'
import { closeLostRuns, endsNow, hasStatus, isOpenBatch, isWorkedOn, type Transition } from '../runs/life.ts'

/** A view that a batch refreshes by itself although it belongs to a group, and why. */
export interface RefreshedEach {
  view: string
  because: string
}

/** A view that waits because a view of its group is locked: `because` names that view, and who has locked it. */
export interface WaitsForLock extends RefreshedEach {
  since: string
}

/** One row of `viewkeeper.batches`, as code reads it. */
export interface Batch {
  id: string
  serial: number
  status: BatchStatus
  trigger: Trigger
  requestedBy: string
  request: Record<string, unknown>
  selection: Selection
  strategy: Strategy | null
  concurrency: number
  exchange: Exchange
  /** The most bytes on disk that all shadows of the batch may take. The views of a group that needs more are refreshed one by one. Null: no limit. */
  maxShadowBytes: number | null
  /** The views that read each other but are not exchanged together, each with the reason. */
  refreshedEach: RefreshedEach[]
  locked: WaitsForLock[]
  /** The server's message when it refuses a connection for a run; null: it refuses none. */
  refused: string | null
  cancelRequestedAt: Date | null
  requestedAt: Date
  startedAt: Date | null
  advancedAt: Date | null
  finishedAt: Date | null
  /** From the start of the batch to its end, or until now. */
  elapsedMs: number | null
  error: BatchError | null
}

/** The columns of a Batch, for a `select` from `viewkeeper.batches b`. */
export const batchColumns = (sql: Sql) => sql`
  b.id, b.serial, b.status, b.trigger, b.requested_by as "requestedBy", b.request, b.selection, b.strategy, b.concurrency,
  b.exchange, b.max_shadow_bytes as "maxShadowBytes", b.refreshed_each as "refreshedEach", b.locked, b.refused,
  b.cancel_requested_at as "cancelRequestedAt", b.requested_at as "requestedAt", b.started_at as "startedAt",
  b.advanced_at as "advancedAt", b.finished_at as "finishedAt",
  (extract(epoch from coalesce(b.finished_at, clock_timestamp()) - b.started_at) * 1000)::int8 as "elapsedMs", b.error`

/** The answer to the start of a batch. Only a `pending` or `running` batch goes on. */
export interface StartedBatch {
  batchId: string
  status: BatchStatus
  /** Why the batch was skipped, failed or canceled; otherwise null. */
  error: BatchError | null
}

export const startedOf = ({ id, status, error }: Batch): StartedBatch => ({ batchId: id, status, error })

/** A batch as its caller requests it. */
export interface NewBatch
  extends Pick<
    Batch,
    | 'trigger'
    | 'requestedBy'
    | 'request'
    | 'selection'
    | 'strategy'
    | 'concurrency'
    | 'exchange'
    | 'maxShadowBytes'
  > {
  /** Each caller has idempotency keys of its own. */
  caller: string
  idempotencyKey: string | null
}

/**
 * Writes the row of a batch, pending or, with an error in `skipped`, ended, and returns its id. Writes nothing and returns null if
 * the caller has a batch with the same idempotency key, or an open batch has the same selection.
 */
export async function insertBatch(
  sql: Sql,
  batch: NewBatch,
  skipped: BatchError | null = null,
): Promise<string | null> {
  const [row] = await sql<{ id: string }[]>`
    insert into viewkeeper.batches (trigger, requested_by, caller, idempotency_key, request, selection, strategy,
                                    concurrency, exchange, max_shadow_bytes, status, error, finished_at)
    values (${batch.trigger}, ${batch.requestedBy}, ${batch.caller}, ${batch.idempotencyKey},
            ${sql.json(batch.request as never)}, ${sql.json(batch.selection as never)}, ${batch.strategy},
            ${batch.concurrency}, ${batch.exchange}, ${batch.maxShadowBytes}, ${skipped === null ? 'pending' : 'skipped'},
            ${skipped === null ? null : sql.json(skipped as never)},
            ${skipped === null ? null : sql`clock_timestamp()`})
    on conflict do nothing returning id`
  return row?.id ?? null
}

/** One batch; undefined if no batch has this id. */
export async function readBatch(sql: Sql, id: string): Promise<Batch | undefined> {
  const [row] = await sql<Batch[]>`select ${batchColumns(sql)} from viewkeeper.batches b where b.id = ${id}`
  return row
}

/**
 * A page of batches, newest first: at most `limit`, and fewer if their requests are large. `next` is the
 * `before` of the next page, null on the last page.
 */
export async function readBatches(
  sql: Sql,
  {
    status = null,
    before = null,
    limit,
  }: { status?: BatchStatus | null | undefined; before?: number | null | undefined; limit: number },
): Promise<Page<Batch, number>> {
  const found = sql`
    select b.serial as key, octet_length(b.request::text) + octet_length(b.selection::text)
           + coalesce(octet_length(b.error::text), 0) as bytes
      from viewkeeper.batches b
     where ${status === null ? sql`true` : sql`b.status = ${status}`}
       and ${before === null ? sql`true` : sql`b.serial < ${before}`}`
  const rows = await sql<Paged<Batch>[]>`
    with ${newestPage(sql, found, limit)}
    select ${batchColumns(sql)}, page.is_last as "isLast"
      from page join viewkeeper.batches b on b.serial = page.key order by b.serial desc`
  return pageOf(rows, ({ serial }) => serial)
}

/** The open batch of the same selection; undefined if there is none. */
export async function findOpenBatch(sql: Sql, selection: Selection): Promise<Batch | undefined> {
  const [row] = await sql<Batch[]>`
    select ${batchColumns(sql)} from viewkeeper.batches b
     where md5(b.selection::text) = md5((${sql.json(selection as never)}::jsonb)::text) and ${sql.unsafe(isOpenBatch)}`
  return row
}

/** Records that somebody advances the batch now; a pending batch becomes running. An ended batch stays as it is. */
export async function stampBatch(sql: Sql, id: string): Promise<void> {
  await sql`
    update viewkeeper.batches b set status = 'running', started_at = coalesce(started_at, clock_timestamp()),
           advanced_at = clock_timestamp()
     where b.id = ${id} and ${sql.unsafe(isOpenBatch)}`
}

/** Records why the server refuses connections for runs, which explains why views wait. Sets `batch.refused`, too. */
export async function noteRefusal(sql: Sql, batch: Batch, refused: string | null): Promise<void> {
  if (batch.refused === refused) return
  batch.refused = refused
  await sql`update viewkeeper.batches set refused = ${refused} where id = ${batch.id}`
}

/** Locks the row of a batch until this transaction ends: meanwhile nobody else starts an attempt, cancels or ends the batch. */
export async function lockBatch(sql: Sql, id: string): Promise<Batch | undefined> {
  const [row] = await sql<Batch[]>`
    select ${batchColumns(sql)} from viewkeeper.batches b where b.id = ${id} for update`
  return row
}

/**
 * Records how a batch ended. Changes nothing and returns false if the batch had ended already, or one of its runs is running, even
 * that of a view whose definition was deleted meanwhile.
 */
export async function recordBatchEnd(sql: Sql, id: string, { status, error }: BatchEnd): Promise<boolean> {
  const ended = await sql`
    update viewkeeper.batches b set status = ${status}, error = ${error === null ? null : sql.json(error as never)},
           finished_at = clock_timestamp()
     where b.id = ${id} and ${sql.unsafe(isOpenBatch)}
       and not exists (select from viewkeeper.runs r where r.batch_id = b.id and r.status = 'running')
    returning b.id`
  return ended.length > 0
}

/** Cancels an open batch: none of its attempts starts after the commit. Returns false if the batch had ended. */
export async function requestBatchCancel(sql: Sql, id: string, by: string): Promise<boolean> {
  const first = await sql`
    with canceled as (
      update viewkeeper.batches b set cancel_requested_at = clock_timestamp()
       where b.id = ${id} and ${sql.unsafe(isOpenBatch)} and b.cancel_requested_at is null returning id),
    noted as (insert into viewkeeper.actions (action, requested_by, batch_id) select 'cancel', ${by}, id from canceled)
    select from canceled`
  if (first.length > 0) return true
  return (
    (await sql`select from viewkeeper.batches b where b.id = ${id} and ${sql.unsafe(isOpenBatch)}`).length > 0
  )
}

/** Waits for the turn to plan due views, and keeps it until this transaction ends. The lock is a row that only our role may write. */
export async function takeTurnToPlan(sql: Sql): Promise<void> {
  await sql`
    insert into viewkeeper.switches (key, value) values ('due', '{}')
    on conflict (key) do update set updated_at = clock_timestamp()`
}

/**
 * A batch that nobody has advanced for this long is lost. An advancer that fails is called again every minute, for an hour.
 * So after an outage the monitor waits some minutes before it closes a batch.
 */
export const batchLostAfterSeconds = 20 * 60

const lost: BatchEnd = {
  status: 'failed',
  error: {
    class: 'BatchLost',
    message:
      'Nobody advanced this batch any more: its advancer was stopped, or failed each time. The remaining views were not refreshed.',
  },
}

/** The end of a lost batch whose cancel was requested. */
const canceled: BatchEnd = {
  status: 'canceled',
  error: { class: 'Canceled', message: 'The batch was canceled. The remaining views were not refreshed.' },
}

/**
 * Closes an open batch that nobody advances any more, and its open runs, as failed (BatchLost) or, if its cancel was requested, as
 * canceled. While the server works on one of its runs, the batch stays open. Returns true if the batch has ended, here or
 * elsewhere.
 */
export async function closeLostBatch(sql: Sql, id: string): Promise<boolean> {
  if (!(await isUnadvanced(sql, id))) return false
  await closeLostRuns(sql, { batchId: id })
  return inTransaction(sql, async (transaction) => {
    const batch = await lockBatch(transaction, id)
    if (batch === undefined || batch.finishedAt !== null) return true
    if (!(await isUnadvanced(transaction, id))) return false
    const end = batch.cancelRequestedAt === null ? lost : canceled
    if (!(await recordBatchEnd(transaction, id, end))) return false
    await endRunsOfBatch(transaction, id, end)
    await transaction`update viewkeeper.batches set idempotency_key = null where id = ${id}`
    return true
  })
}

/** The ids of open batches that nobody has advanced for `batchLostAfterSeconds`. */
export async function findUnadvancedBatches(sql: Sql): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select b.id from viewkeeper.batches b where ${sql.unsafe(isOpenBatch)} and ${unadvanced(sql)} order by b.serial`
  return rows.map(({ id }) => id)
}

/** The advancer of a batch records itself every ten seconds. */
const advancedWithinSeconds = 15

/** An open batch. */
export interface OpenBatch {
  id: string
  /** Whether somebody advances the batch, or the server works on one of its runs. */
  attended: boolean
}

/** Every open batch, oldest first. */
export const readOpenBatches = (sql: Sql): Promise<OpenBatch[]> => sql<OpenBatch[]>`
  select b.id,
         coalesce(b.advanced_at, b.requested_at) > clock_timestamp() - make_interval(secs => ${advancedWithinSeconds})
         or exists (
           select from viewkeeper.runs r where r.batch_id = b.id and r.status = 'running' and ${sql.unsafe(isWorkedOn)}) as attended
    from viewkeeper.batches b where ${sql.unsafe(isOpenBatch)} order by b.serial`

const isUnadvanced = async (sql: Sql, id: string): Promise<boolean> =>
  (await sql`select from viewkeeper.batches b where b.id = ${id} and ${unadvanced(sql)}`).length > 0

const unadvanced = (sql: Sql) => sql`
  coalesce(b.advanced_at, b.requested_at) < clock_timestamp() - make_interval(secs => ${batchLostAfterSeconds})`

/** The end of a run whose batch nobody advances any more. */
export const endingWithBatch: Transition = {
  from: ['pending', 'built'],
  to: ['failed', 'canceled'],
  proof:
    'nobody has advanced the batch for long, the batch ends in the same transaction, and none of its runs is running',
}

/** Ends the open runs of a batch, and the runs that follow runs of it, with the status and error of the batch. */
async function endRunsOfBatch(sql: Sql, batchId: string, { status, error }: BatchEnd): Promise<void> {
  await sql`
    update viewkeeper.runs r set status = ${status}, ${sql.unsafe(endsNow)}, duration_ms = coalesce(duration_ms, 0),
           error = ${sql.json(error as never)}
     where (r.batch_id = ${batchId} or r.group_run_id in (select l.id from viewkeeper.runs l where l.batch_id = ${batchId}))
       and ${sql.unsafe(hasStatus(endingWithBatch.from))}`
}

/** The last turn within two hours of each schedule, by its name. The idempotency key of its batch ends with the time of the turn. */
export async function readTurnsOfSchedules(sql: Sql): Promise<Map<string, Date>> {
  const turns = await sql<{ name: string; at: string }[]>`
    select requested_by as name, max(right(idempotency_key, 24)) as at from viewkeeper.batches
     where trigger = 'schedule' and requested_at > clock_timestamp() - interval '2 hours'
       and idempotency_key = requested_by || ' ' || right(idempotency_key, 24)
     group by requested_by`
  return new Map(turns.map(({ name, at }) => [name, new Date(at)]))
}
