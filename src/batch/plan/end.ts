import type { BatchEnd } from '../../catalog/plan/run.ts'
import type { LatestRun } from '../../run/plan/turn.ts'

interface Ended {
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
  views: Ended[],
  latest: Map<number, LatestRun>,
  canceled: boolean,
  missing: string[] = [],
): BatchEnd {
  const of = ({ id }: Ended) => latest.get(id)
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
