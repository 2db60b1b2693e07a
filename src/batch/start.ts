import type { Strategy } from '../catalog/plan/definition.ts'
import {
  type Looks,
  lagsOf,
  lagViews,
  suspendedViews,
  tooOldViews,
  usualConcurrency,
} from '../due/plan/lags.ts'
import {
  findFailing,
  findUnrefreshed,
  insertBatchViews,
  readBatchableViews,
} from '../record/batches/batch-views.ts'
import {
  type Batch,
  closeLostBatch,
  findOpenBatch,
  insertBatch,
  type NewBatch,
  readBatch,
  type StartedBatch,
  startedOf,
  takeTurnToPlan,
} from '../record/batches/batches.ts'
import { discoverDefinitions } from '../record/definitions/discovered.ts'
import { readDependencies } from '../record/definitions/read-graph.ts'
import { readFacts } from '../record/definitions/state-facts.ts'
import type { BatchableView, PlannedView } from '../record/plan/batch.ts'
import { findByKey, type Keyed } from '../record/runs/runs.ts'
import { everythingPaused, readPause } from '../record/runs/skip.ts'
import { type Call, findEarlier, unknown } from '../run/call.ts'
import { insistOnCharacters, insistOnNameCharacters, resolveNames } from '../run/name.ts'
import type { Sql } from '../server/database.ts'
import { inTransaction, withTransaction } from '../server/transactions.ts'
import { Problem } from '../words/problem.ts'
import { type BatchError, type Exchange, isScheduled } from '../words/run.ts'
import { type BatchDefaults, planBatch } from './plan/plan-batch.ts'
import {
  canonicalSelection,
  insistOnSelection,
  type SelectionRequest,
  selectViews,
} from './plan/selection.ts'

/** A request for a batch. The definitions of its views supply what the request leaves open. */
export interface BatchRequest extends SelectionRequest {
  strategy?: Strategy | undefined
  /** How many of its views may be refreshed at once. Default: 2. */
  concurrency?: number | undefined
  /** How often a view that fails is tried again. */
  retries?: number | undefined
  /** Shows the new data without the checks of the definitions. Default: false. */
  withoutChecks?: boolean | undefined
  /** Only those that are older than their target lag or limit, with what these read among the selected. */
  onlyIfStale?: boolean | undefined
  /** Default: `together`, or the environment's. */
  exchange?: Exchange | undefined
}

/**
 * Records a batch of the requested views, with their dependencies as of now; another call advances the batch
 * (see advance). The same key and request give the same batch again. If the same selection has an open
 * batch, or the batch is scheduled and everything scheduled is paused, the new batch is recorded as skipped. If the open batch
 * does what people ask for, it is the answer.
 */
export async function startBatch(
  request: BatchRequest,
  call: Omit<Call, 'waitUntil'>,
  defaults: BatchDefaults = {},
): Promise<StartedBatch> {
  insistOnSelection(request)
  return call.database.withConnection(
    async (sql) => {
      const started = await startBatchOn(sql, request, call, defaults)
      const openId = started.error?.openBatchId
      const open =
        openId === undefined || isScheduled(call.trigger) ? undefined : await readBatch(sql, openId)
      return open !== undefined && doesAsMuch(open, request) ? startedOf(open) : started
    },
    { writes: true },
  )
}

/** Whether a batch of the same views makes them as the request wants them. */
const doesAsMuch = (
  { strategy, request: { withoutChecks = false, onlyIfStale = false } }: Batch,
  wanted: BatchRequest,
): boolean =>
  ((wanted.strategy ?? 'auto') === 'auto' || wanted.strategy === strategy) &&
  (wanted.withoutChecks ?? false) === withoutChecks &&
  (!onlyIfStale || wanted.onlyIfStale === true)

/** The same, on this connection, and with a selection that is sound. */
async function startBatchOn(
  sql: Sql,
  request: BatchRequest,
  { trigger, requestedBy, caller, idempotencyKey }: Omit<Call, 'waitUntil' | 'database'>,
  defaults: BatchDefaults,
): Promise<StartedBatch> {
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
  const { again, ...before } = await readAgain(sql, request, there)
  const named = again ?? (await writtenNames(sql, request.views ?? [], there))
  const selection = canonicalSelection(again === null ? request : { ...request, views: again }, named)
  const chosen = selectViews(there, dependencies, selection)
  const wanted = request.onlyIfStale ? await onlyTooOld(sql, chosen, dependencies) : chosen
  const selected =
    trigger === 'schedule' && !('views' in selection)
      ? await withoutSuspended(sql, wanted, dependencies)
      : wanted
  // A retry begins at once: its caller waits, and believes that the cause is gone.
  const views = planBatch(
    again === null ? selected : selected.map((view) => ({ ...view, retryDelaySeconds: 0 })),
    dependencies,
    request.retries,
  )
  const strategy = request.strategy ?? before.strategy ?? null
  const concurrency = request.concurrency ?? before.concurrency ?? defaults.concurrency ?? usualConcurrency
  const exchange = request.exchange ?? before.exchange ?? defaults.exchange ?? 'together'
  const maxShadowBytes = defaults.maxShadowBytes ?? null
  return record(sql, { ...requested, selection, strategy, concurrency, exchange, maxShadowBytes }, views)
}

/** Leaves out the views that are as fresh as they have to be. */
async function onlyTooOld(
  sql: Sql,
  chosen: BatchableView[],
  dependencies: Map<string, string[]>,
): Promise<BatchableView[]> {
  const { now, views } = await readFacts(sql, { planning: true })
  const named = new Set(chosen.map(({ view }) => view))
  const tooOld = tooOldViews(lagViews(views), dependencies, named, now.getTime())
  return chosen.filter(({ view }) => tooOld.has(view))
}

/** Leaves out the views that are suspended now. What reads them is refreshed without them, as if they were paused. */
async function withoutSuspended(
  sql: Sql,
  chosen: BatchableView[],
  dependencies: Map<string, string[]>,
): Promise<BatchableView[]> {
  const { now, views } = await readFacts(sql)
  const suspended = new Set(
    suspendedViews(lagViews(views), dependencies).flatMap(({ view, until }) =>
      now.getTime() < until ? [view] : [],
    ),
  )
  return chosen.filter(({ view }) => !suspended.has(view))
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
    const id = await inTransaction(sql, async (transaction) => {
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
      message: `Batch ${open.id} of the same views has not ended yet, and was asked for something else. Wait for its end, or end it with "viewkeeper cancel ${open.id}"; then ask again.`,
      openBatchId: open.id,
    })
  }
}

async function recordSkipped(sql: Sql, batch: NewBatch, error: BatchError): Promise<StartedBatch> {
  const id = await insertBatch(sql, batch, error)
  if (id !== null) return { batchId: id, status: 'skipped', error }
  return (await replay(sql, batch)) ?? recordSkipped(sql, batch, error)
}

/** The batch that the same request has made already; null if there is none. */
async function replay(sql: Sql, requested: Keyed): Promise<StartedBatch | null> {
  const id = await findEarlier(sql, 'batch', requested)
  const batch = id === null ? undefined : await readBatch(sql, id)
  return batch === undefined ? null : startedOf(batch)
}

interface Again extends Partial<Pick<Batch, 'strategy' | 'concurrency' | 'exchange'>> {
  /** The views to try again, without those that are gone; null if the request is about other views. */
  again: string[] | null
}

/** What the request tries again. Views of a batch are refreshed as they were there, unless the request says otherwise. */
async function readAgain(
  sql: Sql,
  { retryOf, failed }: BatchRequest,
  there: BatchableView[],
): Promise<Again> {
  const namesOf = (ids: number[], field: string, nothing: string) => {
    const again = there.filter(({ id }) => ids.includes(id)).map(({ view }) => view)
    if (again.length === 0) throw new Problem('InvalidRequest', `${field}: ${nothing}`, { field })
    return again
  }
  if (failed)
    return {
      again: namesOf(await findFailing(sql), 'failed', 'no view fails: nothing to retry.'),
    }
  if (retryOf === undefined) return { again: null }
  const batch = await readBatch(sql, retryOf)
  if (batch === undefined) throw unknown('batch', retryOf, 'retryOf')
  if (batch.finishedAt === null)
    throw new Problem(
      'BatchAlreadyOpen',
      `Batch ${retryOf} has not ended yet, and retries its views itself. Wait for its end, or cancel it first.`,
      { field: 'retryOf', openBatchId: retryOf },
    )
  const nothing =
    batch.status === 'skipped'
      ? `batch ${retryOf} was skipped, and refreshed nothing. ${batch.error?.message ?? ''} Start a new batch of its views instead.`
      : `batch ${retryOf} left no view unrefreshed that is still there: nothing to retry.`
  const { strategy, concurrency, exchange } = batch
  return {
    again: namesOf(await findUnrefreshed(sql, retryOf), 'retryOf', nothing),
    strategy,
    concurrency,
    exchange,
  }
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

const by = { trigger: 'schedule', requestedBy: 'target lag', caller: 'target lag' } as const

/** Records one batch of all that is due by target lags; null if nothing is. The same key is the same batch. */
export const startDueBatch = (
  { database, idempotencyKey }: Pick<Call, 'database' | 'idempotencyKey'>,
  looks: Looks,
  defaults: BatchDefaults = {},
): Promise<StartedBatch | null> =>
  database.withConnection(async (sql) => {
    const call = { ...by, database, idempotencyKey }
    // What a call that was cut off has recorded is advanced by the next one.
    const known = idempotencyKey && (await findByKey(sql, 'batch', { ...by, idempotencyKey, request: {} }))
    const earlier = known ? await readBatch(sql, known.id) : undefined
    if (earlier !== undefined) return startedOf(earlier)
    return withTransaction(sql, async (transaction) => {
      await takeTurnToPlan(transaction)
      await discoverDefinitions(transaction)
      if ((await readPause(transaction)) !== null) return null
      const { due: views } = lagsOf(await readFacts(transaction), await readDependencies(transaction), looks)
      const { concurrency } = looks
      return views.length === 0 ? null : startBatchOn(transaction, { views, concurrency }, call, defaults)
    })
  })
