import { type CauseCode, causeTones } from '../../words/causes.ts'
import type { Cause, ExaminedView, Surroundings } from './cause.ts'
import { lastEnded, ownCauses, runningRun } from './own-causes.ts'

/** Whether a cause says that nothing is wrong with a view, or what goes on with it. */
const isHarmless = ({ code }: Cause): boolean => !['bad', 'held'].includes(causeTones[code])

/**
 * A view with such a cause is not refreshed in a batch, and then the views that read it are skipped. A paused view is passed
 * over.
 */
const failing = new Set<CauseCode>([
  'Locked',
  'Failed',
  'CheckFailed',
  'Canceled',
  'Skipped',
  'Missing',
  'SetAside',
])

const mostUpstream = 10

/**
 * Why the data of a view are as old as they are: the real cause first, and always one. `upstream` are the views that it
 * reads, directly or through other views: parents may come before children. `readsOf` says which views a view reads. If a view
 * upstream is the reason, its cause comes first, as code `Upstream`. Pure.
 */
export function whyOf(
  view: ExaminedView,
  upstream: ExaminedView[],
  readsOf: (view: string) => string[],
  around: Surroundings,
): Cause[] {
  const above = upstream
    .flatMap((each) => upstreamCause(view, each, readsOf, around))
    .toSorted((one, other) => rank(one) - rank(other))
    .slice(0, mostUpstream)
  const isExplained = above.some((cause) => explains(cause, view))
  // What the other view's cause says is said once.
  const own = ownCauses(view, around).filter(
    ({ code, runId }) =>
      !(isExplained && code === 'Skipped' && runId !== undefined && suffersFromOthers(view)) &&
      !(code === 'HeldBack' && above.some((cause) => cause.view === view.heldBackBy)),
  )
  if (isExplained) return [...above, ...own]
  const at = own.findIndex(isHarmless)
  return at < 0 ? [...own, ...above] : own.toSpliced(at, 0, ...above)
}

/** Whether the last run ended as it did because of another view. */
const suffersFromOthers = (view: ExaminedView): boolean =>
  ['UpstreamFailed', 'NotExchanged'].includes(lastEnded(view)?.error?.class ?? '')

/** Whether a view has to wait for others of its batch itself. */
const waitsForOthers = (view: ExaminedView): boolean =>
  runningRun(view) === undefined && view.batch?.finishedAt === null && view.batch.waitsFor.length > 0

/** Whether what happened upstream is the reason of how the view's last run ended, or of its wait. */
function explains({ upstream, batchId, view: name }: Cause, view: ExaminedView): boolean {
  const { batch } = view
  const ended = lastEnded(view)
  if (batch !== null && batch.finishedAt === null && batch.waitsFor.length > 0)
    return batchId === batch.id || batch.waitsFor.includes(name ?? '')
  // 55000: a view that it reads is not populated.
  return (
    (upstream !== undefined && failing.has(upstream) && suffersFromOthers(view)) ||
    (upstream === 'Unpopulated' && ended?.error?.sqlstate === '55000')
  )
}

/** The cause that a view upstream has of its own; none if that view is well, or suffers from a third one. */
function upstreamCause(
  view: ExaminedView,
  above: ExaminedView,
  readsOf: (view: string) => string[],
  around: Surroundings,
): Cause[] {
  const waitsForIt =
    view.batch?.finishedAt === null && view.batch.waitsFor.includes(above.view) && !waitsForOthers(above)
  // Everything paused holds for all views alike: the view itself says it.
  const cause = ownCauses(above, { ...around, allPaused: null }).find(
    (each) => !isHarmless(each) || (waitsForIt && each.code === 'InProgress'),
  )
  if (cause === undefined) return []
  const { code, text, ...more } = cause
  if (['Skipped', 'Failed'].includes(code) && more.runId !== undefined && suffersFromOthers(above)) return []
  const reads = `${view.view} reads ${above.view}${through(view.view, above.view, readsOf)}`
  return [
    {
      code: 'Upstream',
      text: `${text.replace(/\.$/, '')}; ${reads}.`,
      ...more,
      view: above.view,
      upstream: code,
    },
  ]
}

/** What failed comes before what waits. */
const rank = ({ upstream }: Cause): number =>
  upstream === 'Locked' || upstream === 'Missing' || upstream === 'SetAside'
    ? 0
    : upstream === 'Failed' || upstream === 'CheckFailed'
      ? 1
      : 2

/** By which views a view reads another one: the shortest way, as part of a sentence. */
function through(from: string, to: string, readsOf: (view: string) => string[]): string {
  const ways = new Map<string, string[]>([[from, []]])
  for (const [at, way] of ways) {
    for (const read of readsOf(at)) {
      if (read === to) return way.length === 0 ? '' : ` through ${way.join(' and ')}`
      if (!ways.has(read)) ways.set(read, [...way, read])
    }
  }
  return ''
}
