import type { FC } from 'hono/jsx'
import type { BatchDetails, Run, ToldBatchRun, ToldBatchView } from '../../src/api/answers.ts'
import { signOfRun } from '../../src/resources/cell.ts'
import { lockOf, timeText } from '../../src/resources/run-facts.ts'
import { duration, elapsed } from '../../src/words/phrases.ts'
import { hrefOf } from '../address.ts'
import { Badge, firstOf, Moment, utc, ViewLink } from '../cells.tsx'

/** Duration and rows of the refreshes of a view over time. */
export const Plots: FC<{ runs: Run[] }> = ({ runs }) => (
  <section class="plots" aria-label="Over time">
    <Plot
      title="Duration"
      points={pointsOf(runs, (run) => run.durationMs)}
      write={(ms) => (ms < 1000 ? `${Math.round(ms)} ms` : duration(ms))}
      none="No refresh has succeeded yet."
      fromZero
    />
    <Plot
      title="Rows"
      points={pointsOf(runs, (run) => run.rowCountAfter)}
      write={(rows) => Math.round(rows).toLocaleString('en')}
      none="No refresh has counted the rows."
    />
  </section>
)

interface TimePoint {
  id: number
  at: string
  value: number
}

/** A number of each successful refresh, oldest first. */
export const pointsOf = (runs: Run[], number: (run: Run) => number | null): TimePoint[] =>
  runs
    .filter(({ status, operation }) => status === 'success' && operation === 'refresh')
    .flatMap((run) => {
      const value = number(run)
      return value === null || run.finishedAt === null ? [] : [{ id: run.id, at: run.finishedAt, value }]
    })
    .sort((a, b) => Date.parse(a.at) - Date.parse(b.at))

interface PlotOptions {
  title: string
  points: TimePoint[]
  write: (value: number) => string
  /** What is said if there are no points. */
  none: string
  fromZero?: boolean
}

const top = 18
const tall = 100

/** A number of each run over time. Each point says its value, and leads to its run; the table below has the same. */
const Plot: FC<PlotOptions> = ({ title, points, write, none, fromZero = false }) => {
  const first = points[0]
  const last = points.at(-1)
  if (first === undefined || last === undefined || first === last)
    return (
      <figure class="plot">
        <figcaption>{title}</figcaption>
        <p class="none">
          {last === undefined ? (
            none
          ) : (
            <>
              One refresh, {write(last.value)}, at <Moment at={last.at} />:{' '}
              <a href={hrefOf('run', last.id)}>run {last.id}</a>
            </>
          )}
        </p>
      </figure>
    )
  const values = points.map(({ value }) => value)
  const [least, most] = [fromZero ? 0 : Math.min(...values), Math.max(...values)]
  const spanMs = Date.parse(last.at) - Date.parse(first.at) || 1
  /** Where a point is, 0 to 100 from the left and from the top. */
  const x = ({ at }: TimePoint) => ((Date.parse(at) - Date.parse(first.at)) / spanMs) * 100
  const y = ({ value }: TimePoint) => (most === least ? 50 : 100 - ((value - least) / (most - least)) * 100)
  const line = points.map((point) => `${x(point).toFixed(2)},${y(point).toFixed(1)}`).join(' ')
  const summary = `${title} of ${points.length} refreshes: from ${write(Math.min(...values))} to ${write(most)}, the last ${write(last.value)}`
  return (
    <figure class="plot">
      <figcaption>
        {title} <span class="pale">{write(last.value)} · latest</span>
      </figcaption>
      <svg width="100%" height={top + tall + 6} role="group" aria-label={summary}>
        <text class="limit" y={top - 6}>
          {write(most)}
        </text>
        <svg y={top} width="100%" height={tall} viewBox="0 0 100 100" preserveAspectRatio="none">
          <path class="grid" d="M0 0H100M0 100H100" />
          {fromZero && <polygon points={`0,100 ${line} 100,100`} />}
          <polyline points={line} />
        </svg>
        {points.map((point, n) => {
          const from = n === 0 ? 0 : (x(points[n - 1]!) + x(point)) / 2
          const to = n === points.length - 1 ? 100 : (x(point) + x(points[n + 1]!)) / 2
          const said = `${write(point.value)} · ${utc(point.at)} · run ${point.id}`
          return (
            <a href={hrefOf('run', point.id)} tabindex={-1} aria-label={said}>
              <rect x={`${from.toFixed(2)}%`} width={`${(to - from).toFixed(2)}%`} y={top} height={tall} />
              <circle cx={`${x(point).toFixed(2)}%`} cy={top + (y(point) * tall) / 100} r="2.5" />
              <text x="100%" y={top - 6} text-anchor="end">
                {said}
              </text>
            </a>
          )
        })}
      </svg>
      <p class="ends">
        <Moment at={first.at} />
        {!fromZero && <span>from {write(least)}</span>}
        <Moment at={last.at} />
      </p>
    </figure>
  )
}

/** The views of a batch over time, one bar for each run. `rows`: so many are drawn. */
export const Timeline: FC<{ batch: BatchDetails; rows: string | undefined }> = ({ batch, rows: most }) => {
  const { rows, ticks, now } = timelineOf(batch)
  const { shown, more } = firstOf(rows, most)
  return (
    <>
      <div class="timeline">
        <div class="axis">
          <svg aria-hidden="true">
            {ticks.map(({ ms, from }) => (
              <>
                <line x1={percent(from)} x2={percent(from)} y1="6" y2="22" />
                <text x={percent(from)} dx="4" y="18">
                  {tick(ms)}
                </text>
              </>
            ))}
          </svg>
        </div>
        <ol>
          {shown.map((row) => (
            <TimelineRow row={row} now={now} locked={lockOf(batch, row.view.view)} refused={batch.refused} />
          ))}
        </ol>
      </div>
      {more((rows) => hrefOf('batch', batch.id, { rows }), 'views')}
    </>
  )
}

/** `0.5 s`, `30 s`, `2 min`, `1 min 30 s` */
const tick = (ms: number) => (ms < 60_000 ? `${ms / 1000} s` : elapsed(ms).replace(/ 00 \w+$/, ''))

const percent = (part: number) => `${(part * 100).toFixed(2)}%`

const TimelineRow: FC<{ row: Row; now: number | null } & WaitingFor> = ({
  row: { view, bars, expected },
  now,
  locked,
  refused,
}) => (
  <li id={`row-${encodeURIComponent(view.view)}`}>
    <span class="of-view">
      <ViewLink view={view.view} />
    </span>
    <span class="of-status">
      <Badge sign={signOfRun(view.status)} />
    </span>
    <svg class="lane">
      {now !== null && <line class="now" x1={percent(now)} x2={percent(now)} y1="0" y2="18" />}
      {expected && (
        <rect
          class="expected"
          x={percent(expected.from)}
          width={percent(expected.width)}
          y="2"
          height="14"
          rx="3"
        />
      )}
      {bars.map((bar) => (
        <RunBar bar={bar} view={view.view} />
      ))}
    </svg>
    <span class="of-note pale">
      <Note view={view} locked={locked} refused={refused} />
    </span>
  </li>
)

/** What a view waits for besides other views: a lock, or a connection. */
interface WaitingFor {
  locked: string | undefined
  refused: string | null
}

/** Why a view is where it is. */
const Note: FC<{ view: ToldBatchView } & WaitingFor> = ({ view, locked, refused }) => {
  const last = view.runs.at(-1)
  if (last?.message) return <span title={last.class ?? undefined}>{last.message}</span>
  if (locked) return <>waits: {locked}</>
  if (view.waitsFor.length > 0) return <>waits for {view.waitsFor.join(', ')}</>
  if (refused && ['waiting', 'pending'].includes(view.status)) return <>waits for a connection: {refused}</>
  if (last?.elapsedMs == null && last?.status !== 'running') return null
  const time =
    last.status === 'running'
      ? `${last.phase ? `${last.phase} · ` : ''}${timeText(last.elapsedMs ?? 0, view.estimatedMs)}`
      : `${duration(last.elapsedMs ?? 0)}${view.includedBecause ? '; included' : ''}`
  return <>{time}</>
}

const RunBar: FC<{ bar: Bar; view: string }> = ({ bar: { run, from, width }, view }) => {
  const { tone, word } = signOfRun(run.status)
  const time = duration(run.elapsedMs ?? 0)
  const attempt = run.attempt > 1 ? `, attempt ${run.attempt}` : ''
  return (
    <a class={`run-bar tone-${tone}`} href={hrefOf('run', run.runId)}>
      <title>{`${view}${attempt}: run ${run.runId}, ${word}, ${time}`}</title>
      <rect x={percent(from)} width={percent(width)} y="2" height="14" rx="3" />
    </a>
  )
}

/** A run as a bar. `from` and `width` are parts of the whole, 0 to 1. */
interface Bar {
  run: ToldBatchRun
  from: number
  width: number
}

interface Row {
  view: ToldBatchView
  bars: Bar[]
  /** The probable time of a view that has not begun; null once it has. */
  expected: { from: number; width: number } | null
}

interface Lines {
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
export function timelineOf(batch: Timed): Lines {
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

const endOf = ({ startedAt, finishedAt, elapsedMs }: ToldBatchRun): number => {
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
function ticksOf(spanMs: number): Lines['ticks'] {
  const step = steps.find((ms) => spanMs / ms <= 5) ?? steps.at(-1)!
  return Array.from({ length: Math.floor(spanMs / step) + 1 }, (_, i) => ({
    ms: i * step,
    from: (i * step) / spanMs,
  })).filter(
    ({ from }) => from < 0.9, // a text further to the right would leave the picture
  )
}
