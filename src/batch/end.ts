import { setTimeout as pause } from 'node:timers/promises'
import { cancelBatchRuns, followLatestRuns } from '../record/batches/attempts.ts'
import { dropShadows } from '../record/batches/batch-groups.ts'
import { type BatchView, readBatchViews, readMissingNames } from '../record/batches/batch-views.ts'
import {
  type Batch,
  lockBatch,
  readBatch,
  recordBatchEnd,
  requestBatchCancel,
  type StartedBatch,
  startedOf,
} from '../record/batches/batches.ts'
import type { LatestRun } from '../record/plan/batch.ts'
import { closeLostRuns } from '../record/runs/life.ts'
import { type Call, deadlineOf, endedBefore, unknown } from '../run/call.ts'
import type { Sql } from '../server/database.ts'
import { withTransaction } from '../server/transactions.ts'
import { type BatchEnd, isEnded, isScheduled } from '../words/run.ts'
import { planNext } from './plan/next.ts'

/** Ends a batch if it has nothing left to do. Returns the batch if it has ended, otherwise null. */
export async function endBatchIfOver(sql: Sql, batchId: string, views: BatchView[]): Promise<Batch | null> {
  await withTransaction(sql, async (transaction) => {
    const batch = await lockBatch(transaction, batchId)
    if (batch === undefined || batch.finishedAt !== null) return
    const { latest, reload } = followLatestRuns(transaction, batchId)
    await reload()
    const canceled = batch.cancelRequestedAt !== null
    const over = canceled
      ? [...latest.values()].every(({ status }) => isEnded(status))
      : planNext(views, latest).ended
    if (!over) return
    const missing =
      'all' in batch.selection && !isScheduled(batch.trigger) ? await readMissingNames(transaction) : []
    const end = planBatchEnd(views, latest, canceled, missing)
    if (!(await recordBatchEnd(transaction, batchId, end))) return
    await dropShadows(transaction, batch.serial)
  })
  const batch = await readBatch(sql, batchId)
  return batch === undefined || batch.finishedAt === null ? null : batch
}

const pauseMs = 100

/**
 * Cancels a batch: none of its runs starts any more, and the server cancels those that are running. Waits, as
 * long as the caller does, until the batch has ended. Canceling a canceled batch is no error. A batch that
 * ended in any other way is refused with BatchEnded.
 */
export function cancelBatch(
  batchId: string,
  call: Pick<Call, 'database' | 'waitUntil' | 'requestedBy'>,
): Promise<StartedBatch> {
  const work = async (sql: Sql) => {
    const requested = await requestBatchCancel(sql, batchId, call.requestedBy)
    if (requested) return endCanceled(sql, batchId, call.waitUntil)
    const batch = await readBatch(sql, batchId)
    if (batch === undefined) throw unknown('batch', batchId)
    if (batch.status !== 'canceled') throw endedBefore('batch', batchId, batch.status)
    return startedOf(batch)
  }
  return call.database.withConnection(work, { deadline: deadlineOf(call), writes: true })
}

/** Ends the batch here, because maybe no call advances the batch any more. */
async function endCanceled(sql: Sql, batchId: string, until: number): Promise<StartedBatch> {
  const views = await readBatchViews(sql, batchId)
  for (;;) {
    await cancelBatchRuns(sql, batchId)
    await closeLostRuns(sql, { batchId })
    const ended = await endBatchIfOver(sql, batchId, views)
    if (ended !== null) return startedOf(ended)
    if (Date.now() >= until) return { batchId, status: 'running', error: null }
    await pause(pauseMs)
  }
}

interface EndedView {
  id: number
  view: string
  /** Set if the batch was not to refresh the view. */
  includedBecause?: string | null
}

const mostNames = 20

const allPaused =
  'Every view of the batch is paused. POST /views/{view}/refresh with "force": true refreshes a paused view all the same, ' +
  'and POST /views/{view}/resume ends its pause.'

/**
 * Decides how a batch ended, once all its views have ended. The failure of a view that came along counts only if it kept
 * another view from being refreshed. `missing`: views that somebody wanted refreshed, and that are not in the database. Pure.
 */
export function planBatchEnd(
  views: EndedView[],
  latest: Map<number, LatestRun>,
  canceled: boolean,
  missing: string[] = [],
): BatchEnd {
  const of = ({ id }: EndedView) => latest.get(id)
  const skipped = views.filter((view) => of(view)?.class === 'UpstreamFailed')
  const failed = views.filter(
    (view) =>
      (!view.includedBecause || skipped.length > 0) &&
      of(view)?.class !== 'UpstreamFailed' &&
      ['failed', 'canceled'].includes(of(view)?.status ?? 'canceled'),
  )
  if (canceled && failed.length > 0) {
    const message = `The batch was canceled; ${failed.length + skipped.length} of ${views.length} views were not refreshed.`
    return { status: 'canceled', error: { class: 'Canceled', message } }
  }
  if (failed.length > 0) {
    const names = failed.slice(0, mostNames).map((view) => `${view.view} (${of(view)?.class})`)
    const more = failed.length > names.length ? `, and ${failed.length - names.length} more` : ''
    const after =
      skipped.length === 0
        ? ''
        : ` ${skipped.length === 1 ? '1 view that reads them was' : `${skipped.length} views that read them were`} skipped.`
    const message = `${failed.length} of ${views.length} views failed: ${names.join(', ')}${more}.${after}`
    return {
      status: 'failed',
      error: { class: 'ViewsFailed', message, views: failed.map(({ view }) => view) },
    }
  }
  if (views.length > 0 && views.every((view) => of(view)?.status === 'skipped' && !of(view)?.unneeded)) {
    return { status: 'skipped', error: { class: 'Paused', message: allPaused } }
  }
  if (missing.length > 0) {
    const names = `${missing.slice(0, mostNames).join(', ')}${missing.length > mostNames ? ', ...' : ''}`
    const message = `Not in the database, so not refreshed: ${names}. npx viewkeeper migrate up --repair makes them again.`
    return { status: 'failed', error: { class: 'ViewsFailed', message, views: missing } }
  }
  return { status: 'success', error: null }
}
