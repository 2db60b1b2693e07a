import { retryDelayOf } from '../../batch/plan/next.ts'
import { fails, type ViewStateFacts } from '../../catalog/plan/state.ts'
import { type IncidentKind, incidentKinds } from '../../words/event.ts'
import { isEnded } from '../../words/run.ts'

/** Something that a look finds wrong. */
export interface Finding {
  kind: IncidentKind
  /** A view as people write it: `app.sales`; a function that was set aside with its arguments; `batch <id>`; a channel: `mail ops@example.com`. */
  name: string
  /** How old the data of a stale view are, and may be; otherwise null. */
  ageSeconds: number | null
  maxStalenessSeconds: number | null
}

/** What planning has found, by the names of the views. */
interface PlannedFindings {
  /** The target lags that cannot be kept. */
  lag: string[]
  /** Those that scheduled refreshes leave out for a while. */
  suspended: string[]
}

/**
 * All that is wrong, the names of each kind in their order, of stale views the oldest data first. A paused view is at most stale.
 * `lasting`: what has been set aside or paused for long, views whose last refresh was slow, whose slices were wrong, or that lost what hung on them, and steps of the monitor, batches and channels that have failed. Pure.
 */
export function findWrong(
  views: ViewStateFacts[],
  { lag, suspended }: PlannedFindings,
  lasting: Record<'aside' | 'paused' | 'slow' | 'wrong' | 'lost' | 'step' | 'batch' | 'channel', string[]>,
): Finding[] {
  const tried = views.filter(({ pausedSince, aside }) => pausedSince === null && aside === null)
  const namesOf = (which: (view: ViewStateFacts) => boolean): string[] =>
    tried.filter(which).map(({ view }) => view)
  const found = {
    failing: namesOf((view) => !view.missing && fails(view) && !isRetried(view)),
    missing: namesOf(({ missing }) => missing),
    lag: lag.toSorted(),
    suspended: namesOf(({ view, missing }) => !missing && suspended.includes(view)),
    ...lasting,
  }
  const stale = views.filter((view) => view.stale).sort((a, b) => (b.staleMs ?? 0) - (a.staleMs ?? 0))
  return incidentKinds.flatMap((kind): Finding[] =>
    kind === 'stale'
      ? stale.map(({ view, staleMs, maxStaleMs }) => ({
          kind,
          name: view,
          ageSeconds: seconds(staleMs),
          maxStalenessSeconds: seconds(maxStaleMs),
        }))
      : found[kind].map((name) => ({ kind, name, ageSeconds: null, maxStalenessSeconds: null })),
  )
}

/** Whether the first failure may be mended by itself: the batch makes another attempt, or is about to. */
const isRetried = ({ planned }: ViewStateFacts): boolean => {
  const last = planned?.attempt
  if (!last) return false
  return last.status === 'failed'
    ? retryDelayOf({ ...last, retryDelaySeconds: 0 }, last) !== null
    : last.attempt > 1 && !isEnded(last.status)
}

const seconds = (ms: number | null): number | null => (ms === null ? null : Math.round(ms / 1000))
