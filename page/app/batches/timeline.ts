import type { BatchDetails, BatchRun, BatchView } from '../../../src/api/answers.ts'

/** A run as a bar. `from` and `width` are parts of the whole, 0 to 1. */
export interface Bar {
  run: BatchRun
  from: number
  width: number
}

export interface Row {
  view: BatchView
  bars: Bar[]
  /** The probable time of a view that has not begun; null once it has. */
  expected: { from: number; width: number } | null
}

export interface Timeline {
  rows: Row[]
  /** The times on the axis, in milliseconds from the start of the batch, and where they are. */
  ticks: { ms: number; from: number }[]
  /** Where the present is; null for a batch that has ended. */
  now: number | null
}

type Timed = Pick<
  BatchDetails,
  'requestedAt' | 'startedAt' | 'finishedAt' | 'elapsedMs' | 'estimatedRestMs' | 'views'
>

const leastMs = 1000

/**
 * A batch as bars on a line of time: one for each run, in the order in which the views began, and the probable
 * time of views that wait. A batch that goes on reaches to its probable end. Times are the server's.
 */
export function timelineOf(batch: Timed): Timeline {
  const start = Date.parse(batch.startedAt ?? batch.requestedAt)
  const now = Math.max(start + (batch.elapsedMs ?? 0), ...batch.views.flatMap(({ runs }) => runs.map(endOf)))
  const end =
    batch.finishedAt === null
      ? now + (batch.estimatedRestMs ?? 0)
      : Math.max(now, Date.parse(batch.finishedAt))
  const spanMs = Math.max(leastMs, end - start)
  const part = (ms: number) => Math.min(1, Math.max(0, ms / spanMs))
  const place = (from: number, to: number) => ({ from: part(from - start), width: part(to - from) })

  const expectedEnds = new Map<string, number>()
  const rows = batch.views.map((view): Row => {
    const bars = view.runs.flatMap((run) =>
      run.startedAt === null ? [] : [{ run, ...place(Date.parse(run.startedAt), endOf(run)) }],
    )
    const waits = batch.finishedAt === null && (view.status === 'waiting' || view.status === 'pending')
    if (!waits) {
      const last = view.runs.at(-1)
      const rest = last?.status === 'running' ? Math.max(0, view.estimatedMs - (last.elapsedMs ?? 0)) : 0
      expectedEnds.set(view.view, last ? endOf(last) + rest : now)
      return { view, bars, expected: null }
    }
    const retryAt = Date.parse(view.runs.at(-1)?.notBefore ?? '') || now
    const from = Math.max(now, retryAt, ...view.dependsOn.map((parent) => expectedEnds.get(parent) ?? now))
    const to = Math.min(end, from + view.estimatedMs)
    expectedEnds.set(view.view, to)
    return { view, bars, expected: place(Math.min(from, end), to) }
  })
  return {
    rows: rows.sort((a, b) => beginning(a) - beginning(b)),
    ticks: ticksOf(spanMs),
    now: batch.finishedAt === null ? part(now - start) : null,
  }
}

const endOf = ({ startedAt, finishedAt, elapsedMs }: BatchRun): number => {
  if (startedAt === null) return Number.NEGATIVE_INFINITY
  return elapsedMs === null && finishedAt !== null
    ? Date.parse(finishedAt)
    : Date.parse(startedAt) + (elapsedMs ?? 0)
}

const beginning = ({ bars, expected }: Row) => bars[0]?.from ?? (expected === null ? 2 : 1 + expected.from)

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const steps = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30]
  .map((n) => n * second)
  .concat([1, 2, 5, 10, 15, 30].map((n) => n * minute))
  .concat([1, 2, 4, 6, 12, 24].map((n) => n * hour))

/** At most six round times. */
function ticksOf(spanMs: number): Timeline['ticks'] {
  const step = steps.find((ms) => spanMs / ms <= 5) ?? steps.at(-1)!
  return Array.from({ length: Math.floor(spanMs / step) + 1 }, (_, i) => ({
    ms: i * step,
    from: (i * step) / spanMs,
  })).filter(
    ({ from }) => from < 0.9, // a text further to the right would leave the picture
  )
}
