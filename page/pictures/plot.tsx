import type { FC } from 'hono/jsx'
import type { Run } from '../../src/api/answers.ts'
import { duration } from '../../src/sql/words.ts'
import { hrefOf } from '../address.ts'
import { Moment, utc } from '../cells.tsx'

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

interface Point {
  id: number
  at: string
  value: number
}

/** A number of each successful refresh, oldest first. */
export const pointsOf = (runs: Run[], number: (run: Run) => number | null): Point[] =>
  runs
    .filter(({ status, operation }) => status === 'success' && operation === 'refresh')
    .flatMap((run) => {
      const value = number(run)
      return value === null || run.finishedAt === null ? [] : [{ id: run.id, at: run.finishedAt, value }]
    })
    .sort((a, b) => Date.parse(a.at) - Date.parse(b.at))

interface PlotOptions {
  title: string
  points: Point[]
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
  const x = ({ at }: Point) => ((Date.parse(at) - Date.parse(first.at)) / spanMs) * 100
  const y = ({ value }: Point) => (most === least ? 50 : 100 - ((value - least) / (most - least)) * 100)
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
