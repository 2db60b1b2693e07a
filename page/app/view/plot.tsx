import { useEffect, useRef, useState } from 'preact/hooks'
import { hashOf } from '../address/address.ts'
import { utc } from '../parts/when.tsx'
import { durationTicks, roundTicks, type Tick, timeTicks } from './axis.ts'

interface Points {
  ids: number[]
  /** In seconds. */
  at: number[]
  values: number[]
}

interface Options {
  title: string
  points: Points
  write: (value: number) => string
  /** What is said if there are no points. */
  none: string
  /** Whether the values are durations, in milliseconds: their axis begins at zero; that of other numbers fits them. */
  durations?: boolean
}

type Range = [from: number, to: number]

/** A number of each run over time. A click on a point opens its run; the table below has the same numbers. */
export function Plot({ title, points, write, none, durations = false }: Options) {
  const [read, setRead] = useState<number | null>(null)
  const { at, values } = points
  const latest = values.length - 1
  const shown = read ?? latest
  return (
    <figure class="plot">
      <figcaption>
        {title}{' '}
        {values[shown] !== undefined && (
          <span class="pale">
            {write(values[shown])} ·{' '}
            {read === null ? 'latest' : utc(new Date(at[shown]! * 1000).toISOString())}
          </span>
        )}
      </figcaption>
      {latest < 0 ? (
        <p class="none">{none}</p>
      ) : latest === 0 ? (
        <p class="none">
          One refresh, at {utc(new Date(at[0]! * 1000).toISOString())}:{' '}
          <a href={hashOf('run', points.ids[0]!)}>run {points.ids[0]}</a>
        </p>
      ) : (
        <Drawing {...{ title, points, write, durations, read, setRead }} />
      )}
    </figure>
  )
}

/** The room around the points, in pixels. */
const room = { left: 60, right: 10, top: 8, bottom: 36 }
const height = 150
const floor = height - room.bottom

function Drawing({
  title,
  points: { ids, at, values },
  write,
  durations,
  read,
  setRead,
}: Required<Omit<Options, 'none'>> & {
  read: number | null
  setRead: (at: number | null) => void
}) {
  const place = useRef<HTMLDivElement>(null)
  const width = useWidth(place)
  const [from, to] = wholeOf(at)
  const [least, most] = durations ? [0, Math.max(...values) * 1.1 || 1] : around(values)
  const x = (seconds: number) =>
    room.left + ((seconds - from) / (to - from)) * (width - room.left - room.right)
  const y = (value: number) => floor - ((value - least) / (most - least)) * (floor - room.top)
  const seconds = ({ offsetX }: PointerEvent) =>
    from + ((offsetX - room.left) / (width - room.left - room.right)) * (to - from)
  const nearest = (wanted: number) =>
    at.reduce((best, each, n) => (Math.abs(each - wanted) < Math.abs(at[best]! - wanted) ? n : best), 0)
  const line = at.map((each, n) => `${x(each).toFixed(1)},${y(values[n]!).toFixed(1)}`).join(' ')
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the runs of the table are the same, and links
    <div
      ref={place}
      class="drawing"
      role="img"
      aria-label={summary(title, values, write)}
      onPointerMove={(event) => setRead(nearest(seconds(event)))}
      onPointerLeave={() => setRead(null)}
      onClick={() => {
        if (read !== null) location.assign(hashOf('run', ids[read]!))
      }}
    >
      {width > 0 && (
        <svg width={width} height={height} aria-hidden="true">
          <Axes
            {...{ width, x, y, from, to }}
            ticks={durations ? durationTicks(most, 5) : roundTicks(least, most, 5)}
          />
          {durations && <polygon points={`${x(at[0]!)},${floor} ${line} ${x(at.at(-1)!)},${floor}`} />}
          <polyline points={line} />
          {at.length < width / 12 &&
            at.map((each, n) => <circle key={ids[n]} cx={x(each)} cy={y(values[n]!)} r="2.5" />)}
          {read !== null && (
            <>
              <line class="read" x1={x(at[read]!)} x2={x(at[read]!)} y1={room.top} y2={floor} />
              <circle cx={x(at[read]!)} cy={y(values[read]!)} r="4" />
            </>
          )}
        </svg>
      )}
    </div>
  )
}

interface Axis {
  width: number
  /** Where a moment and a value are. */
  x: (seconds: number) => number
  y: (value: number) => number
  from: number
  to: number
  ticks: Tick[]
}

const Axes = ({ width, x, y, from, to, ticks }: Axis) => (
  <>
    {ticks.map(({ at, label }) => (
      <g key={at}>
        <line class="grid" x1={room.left} x2={width - room.right} y1={y(at)} y2={y(at)} />
        <text x={room.left - 6} y={y(at) + 4} text-anchor="end">
          {label}
        </text>
      </g>
    ))}
    {timeTicks(from, to, width / 90).map(({ at, label, below }) => (
      <g key={at}>
        <line class="grid" x1={x(at)} x2={x(at)} y1={room.top} y2={floor} />
        <text x={x(at)} y={floor + 14} text-anchor="middle">
          {label}
        </text>
        <text x={x(at)} y={floor + 28} text-anchor="middle">
          {below}
        </text>
      </g>
    ))}
  </>
)

const summary = (title: string, values: number[], write: (value: number) => string) =>
  `${title} of ${values.length} refreshes: from ${write(Math.min(...values))} to ${write(Math.max(...values))}, ` +
  `the last ${write(values.at(-1)!)}`

/** From the first moment to the last; an hour around it if they are the same. */
const wholeOf = (at: number[]): Range =>
  at[0] === at.at(-1) ? [at[0]! - 1800, at[0]! + 1800] : [at[0]!, at.at(-1)!]

/** A range with a tenth of it around the values; around equal ones, room for ticks of whole numbers. */
function around(values: number[]): Range {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  const margin = Math.max((most - least) * 0.1, least === most ? 2 : 0)
  return [least - margin, most + margin]
}

/** How wide an element is, also when that changes. */
function useWidth(place: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0)
  useEffect(() => {
    const observer = new ResizeObserver(() => setWidth(place.current?.clientWidth ?? 0))
    observer.observe(place.current!)
    return () => observer.disconnect()
  }, [])
  return width
}
