import type { Incident, RunFacts } from '../../../src/record/plan/watch.ts'
import type { ExaminedView } from '../../../src/watch/diagnosis/cause.ts'
import { usualTelling } from '../../../src/watch/plan/hearers.ts'
import { keepIncidents } from '../../../src/watch/plan/incidents.ts'
import { type Besides, judgeFound } from '../../../src/watch/plan/judge.ts'
import { type Notice, noticeOf } from '../../../src/watch/plan/notice.ts'
import { type Finding, findWrong } from '../../../src/watch/plan/wrong.ts'
import { stepName } from '../../../src/words/event.ts'
import type { ProblemCode } from '../../../src/words/problem.ts'
import { examined } from './examined.ts'

/** When a night begins. */
export const dusk = new Date('2026-11-20T10:00:00Z')
const minuteMs = 60_000
const minutesLater = (minutes: number) => new Date(dusk.getTime() + minutes * minuteMs)
export const hoursAgo = (hours: number) => minutesLater(-60 * hours)

type RunError = NonNullable<RunFacts['error']>

export const error = (code: ProblemCode, message: string, sqlstate: string | null = null): RunError => ({
  class: code,
  message,
  sqlstate,
})
export const divided = error('ViewSqlFailed', 'division by zero', '22012')
export const upstream = error('UpstreamFailed', 'public.sales was not refreshed')

/** The last run of a view. */
export const ended = (
  status: 'success' | 'failed' | 'skipped' | 'canceled',
  {
    id = 812,
    hours = 1,
    batchId = 'night-2' as string | null,
    error = null as RunFacts['error'],
    batchCanceled = false,
  } = {},
): RunFacts => ({
  id,
  operation: 'refresh',
  status,
  batchId,
  requestedAt: hoursAgo(hours),
  notBefore: null,
  finishedAt: hoursAgo(hours),
  strategy: null,
  because: null,
  error,
  batchCanceled,
})

interface ViewOptions extends Partial<ExaminedView> {
  hours?: number
  last?: RunFacts | null
}

/** A view with a schedule that succeeded last so many hours before dusk, and may be 25 hours old. */
export const view = (name: string, { hours = 1, last = null, ...more }: ViewOptions = {}): ExaminedView =>
  examined(name, {
    stale: hours > 25,
    staleMs: hours * 60 * minuteMs,
    maxStaleMs: 25 * 60 * minuteMs,
    lastSuccessAt: hoursAgo(hours),
    asOf: hoursAgo(hours),
    nextRun: minutesLater(60),
    failure:
      last?.status === 'failed' ? { at: last.finishedAt as Date, class: last.error?.class ?? null } : null,
    leftOutSince: last?.status === 'skipped' ? last.finishedAt : null,
    runs: last === null ? [] : [last],
    ...more,
  })

/** Views that fail, each by a run of its own. */
export const failing = (
  names: string[],
  { error = divided, ...more }: ViewOptions & { error?: RunError } = {},
) =>
  names.map((name, at) => view(name, { hours: 3, last: ended('failed', { id: 812 + at, error }), ...more }))

/** What a look of the monitor finds. */
export interface Look {
  /** Minutes after dusk. */
  at: number
  /** In a time in which nobody is told. */
  quiet?: boolean
  views?: ExaminedView[]
  reads?: Record<string, string[]>
  pause?: { since: Date; by: string } | null
  aside?: string[]
  forgotten?: string[]
  lag?: string[]
  suspended?: string[]
  slow?: Besides['slow']
  waits?: string[]
  wrong?: Besides['wrong']
  lost?: Besides['lost']
  steps?: Besides['steps']
  batches?: Besides['batches']
  channels?: Besides['channels']
  unheard?: Besides['unheard']
}

/** What a look tells: people, and programs. */
export interface Told {
  at: number
  notice: Notice | null
  changes: string[]
}

/** What the looks of a night tell in environment `production`. */
export function night(...looks: Look[]): Told[] {
  let known: Incident[] = []
  return looks.map((look) => {
    const { found, judged } = judge(look)
    const now = minutesLater(look.at)
    const { written, changes, tell } = keepIncidents(known, found, judged, {
      now,
      telling: look.quiet ? null : usualTelling,
    })
    const byName = new Map([...known, ...written].map((each) => [each.subject, each]))
    known = [...byName.values()]
    return {
      at: look.at,
      notice:
        tell && noticeOf(tell, found, { environment: 'production', typed: 'production', links: {}, now }),
      changes: changes.map(({ what, incident }) => `${what} ${incident.subject}`),
    }
  })
}

function judge({
  at,
  views = [],
  reads = {},
  pause = null,
  aside = [],
  forgotten = [],
  lag = [],
  suspended = [],
  slow = [],
  waits = [],
  wrong = [],
  lost = [],
  steps = [],
  batches = [],
  channels = [],
  unheard = [],
}: Look): { found: Finding[]; judged: ReturnType<typeof judgeFound> } {
  const found = findWrong(
    views,
    { lag, suspended },
    {
      aside,
      paused: forgotten,
      slow: [...slow.map(({ view }) => view), ...waits],
      wrong: wrong.map(({ view }) => view),
      lost: lost.map(({ view }) => view),
      step: steps.map(({ step }) => stepName(step)),
      batch: batches.map(({ id }) => `batch ${id}`),
      channel: [...channels, ...unheard].map(({ channel }) => channel),
    },
  )
  const facts = {
    now: minutesLater(at),
    typed: 'production',
    allPaused: pause,
    reads: new Map(views.map(({ view }) => [view, reads[view] ?? []])),
    views: new Map(views.map((each) => [each.view, each])),
    ages: new Map(views.map(({ view, asOf }) => [view, asOf])),
  }
  return {
    found,
    judged: judgeFound(found, { slow, waits, wrong, lost, steps, batches, channels, unheard }, facts),
  }
}

/** What one look tells. */
export const noticeAt = (look: Omit<Look, 'at'>): Notice => night({ ...look, at: 0 })[0]?.notice as Notice

/** `public.sales` failed last night, and two views that read it, one through the other, were skipped. */
export const salesFailed = (hours = 30): Pick<Look, 'views' | 'reads'> => ({
  views: [
    view('public.sales', { hours, last: ended('failed', { error: divided }) }),
    view('public.sales_by_region', { hours, last: ended('skipped', { error: upstream }) }),
    view('public.top_customers', { hours, last: ended('skipped', { error: upstream }) }),
    view('public.flights'),
  ],
  reads: {
    'public.sales_by_region': ['public.sales'],
    'public.top_customers': ['public.sales_by_region'],
  },
})

/** The examples of docs/monitoring.md: news, a reminder and the end. */
export const examples = (): Notice[] =>
  night(
    { at: 0, ...salesFailed() },
    { at: 24 * 60, ...salesFailed(54) },
    { at: 26 * 60, views: [view('public.sales'), view('public.flights')] },
  ).flatMap(({ notice }) => notice ?? [])
