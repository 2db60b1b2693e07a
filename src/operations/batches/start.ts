import { insertBatchViews, readBatchableViews } from '../../db/batches/batch-views.ts'
import {
  findBatchByKey,
  findOpenBatch,
  insertBatch,
  type NewBatch,
  readBatch,
} from '../../db/batches/batches.ts'
import { closeLostBatch } from '../../db/batches/lost-batches.ts'
import { type Sql, withTransaction } from '../../db/server/connect.ts'
import { discoverDefinitions } from '../../db/views/definitions.ts'
import { readDependencies } from '../../db/views/graph.ts'
import { readPause } from '../../db/views/pause.ts'
import type { BatchError } from '../../plan/batches/end.ts'
import { type BatchableView, type PlannedView, planBatch } from '../../plan/batches/plan.ts'
import {
  canonicalSelection,
  insistOnSelection,
  type SelectionRequest,
  selectViews,
} from '../../plan/batches/selection.ts'
import type { BatchStatus, Exchange } from '../../plan/run.ts'
import { everythingPaused, isScheduled } from '../../plan/runs/pause.ts'
import type { Strategy } from '../../plan/views/definition.ts'
import type { Call } from '../runs/call.ts'
import { insistOnCharacters, insistOnNameCharacters } from '../runs/characters.ts'
import { keyReused } from '../runs/key-reused.ts'
import { resolveNames } from '../runs/name.ts'

/** A request for a batch. The definitions of its views supply what the request leaves open. */
export interface BatchRequest extends SelectionRequest {
  strategy?: Strategy | undefined
  /** How many of its views may be refreshed at once. Default: 2. */
  concurrency?: number | undefined
  /** How often a view that fails is tried again. */
  retries?: number | undefined
  /** Default: `together`, or the environment's. */
  exchange?: Exchange | undefined
}

/** What an environment says about its batches. */
export interface BatchDefaults {
  /** How many views may be refreshed at once. Default: 2. */
  concurrency?: number | undefined
  exchange?: Exchange | undefined
  /** The room on disk that the twins of one batch may take; undefined: no limit. */
  maxTwinBytes?: number | undefined
}

/** A recorded batch. Only a `pending` or `running` batch has anything left to do. */
export interface StartedBatch {
  batchId: string
  status: BatchStatus
  /** Why the batch was skipped, failed or was canceled; otherwise null. */
  error: BatchError | null
}

const usualConcurrency = 2

/**
 * Records a batch of the requested views, with their dependencies as of now; another call advances the batch
 * (see advance). The same key and request give the same batch again. If the same selection has an open
 * batch, or the batch is scheduled and everything scheduled is paused, the new batch is recorded as skipped.
 */
export async function startBatch(
  request: BatchRequest,
  call: Omit<Call, 'waitUntil'>,
  defaults: BatchDefaults = {},
): Promise<StartedBatch> {
  insistOnSelection(request)
  return call.database.withConnection(async (sql) => {
    const { trigger, requestedBy, caller, idempotencyKey } = call
    const requested = { trigger, requestedBy, caller, idempotencyKey, request: withoutUndefined(request) }
    await insistOnCharacters(sql, {
      requestedBy,
      'Idempotency-Key': idempotencyKey,
      pattern: request.pattern,
    })
    await insistOnNameCharacters(sql, request.views ?? [], 'views')
    const earlier = await replay(sql, requested)
    if (earlier !== null) return earlier
    await discoverDefinitions(sql)
    const there = await readBatchableViews(sql)
    const dependencies = await readDependencies(sql)
    const selection = canonicalSelection(request, await writtenNames(sql, request.views ?? [], there))
    const views = planBatch(selectViews(there, dependencies, selection), dependencies, request.retries)
    const { strategy = null, concurrency = defaults.concurrency ?? usualConcurrency } = request
    const exchange = request.exchange ?? defaults.exchange ?? 'together'
    const maxTwinBytes = defaults.maxTwinBytes ?? null
    return record(sql, { ...requested, selection, strategy, concurrency, exchange, maxTwinBytes }, views)
  })
}

/**
 * Records the batch and its views in one transaction. If another call was faster, its batch is returned (same
 * key), or this batch is skipped (same selection).
 */
async function record(sql: Sql, batch: NewBatch, views: PlannedView[]): Promise<StartedBatch> {
  if (isScheduled(batch.trigger) && (await readPause(sql)))
    return recordSkipped(sql, batch, {
      class: 'Paused',
      message: `No batch was started: ${everythingPaused}.`,
    })
  for (;;) {
    const id = await withTransaction(sql, async (transaction) => {
      const made = await insertBatch(transaction, batch)
      if (made !== null) await insertBatchViews(transaction, made, views)
      return made
    })
    if (id !== null) return { batchId: id, status: 'pending', error: null }
    const earlier = await replay(sql, batch)
    if (earlier !== null) return earlier
    const open = await findOpenBatch(sql, batch.selection)
    if (open === undefined || (await closeLostBatch(sql, open.id))) continue
    return recordSkipped(sql, batch, {
      class: 'BatchAlreadyOpen',
      message: `Batch ${open.id} of the same views has not ended yet.`,
      openBatchId: open.id,
    })
  }
}

async function recordSkipped(sql: Sql, batch: NewBatch, error: BatchError): Promise<StartedBatch> {
  const id = await insertBatch(sql, batch, error)
  if (id !== null) return { batchId: id, status: 'skipped', error }
  return (await replay(sql, batch)) ?? recordSkipped(sql, batch, error)
}

/** The batch that has the caller's key already; null if there is none. */
async function replay(
  sql: Sql,
  requested: Pick<NewBatch, 'trigger' | 'caller' | 'idempotencyKey' | 'request'>,
): Promise<StartedBatch | null> {
  if (requested.idempotencyKey === null) return null
  const earlier = await findBatchByKey(sql, requested)
  if (earlier === null) return null
  if (!earlier.sameRequest) throw keyReused(requested.idempotencyKey, 'batch', earlier.id)
  const batch = await readBatch(sql, earlier.id)
  return batch === undefined ? null : { batchId: batch.id, status: batch.status, error: batch.error }
}

/** The names as SQL writes them. Unknown names stay as requested, so that all are refused together. */
async function writtenNames(sql: Sql, requested: string[], there: BatchableView[]): Promise<string[]> {
  const key = (schema: string, name: string) => JSON.stringify([schema, name])
  const known = new Map(there.map(({ schema, name, view }) => [key(schema, name), view]))
  const names = await resolveNames(sql, requested, 'views')
  return names.map(({ schema, name }, at) => known.get(key(schema, name)) ?? (requested[at] as string))
}

const withoutUndefined = (request: BatchRequest): Record<string, unknown> =>
  Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined))
