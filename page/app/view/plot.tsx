import { useEffect, useRef, useState } from 'preact/hooks'
import type uPlot from 'uplot'
import { hashOf } from '../address/address.ts'
import { useDark } from '../parts/use-dark.ts'
import { utc } from '../parts/when.tsx'

interface Options {
  title: string
  points: { ids: number[]; at: number[]; values: number[] }
  write: (value: number) => string
  /** What is said if there are no points. */
  none: string
  /** Whether the axis begins at zero; by default it fits the values. */
  fromZero?: boolean
}

const height = 150
/** `4.2M` */
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 4 })

const day = 24 * 3600
/**
 * How uPlot writes times. Each line: the least seconds between ticks, a format, and what the first tick of a year and
 * of a day has below it.
 */
const dates = [
  [365 * day, '{YYYY}', null, null, null, null, null, null, 1],
  [28 * day, '{MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [day, '{D} {MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [60, '{HH}:{mm}', '\n{D} {MMM} {YYYY}', null, '\n{D} {MMM}', null, null, null, 1],
  [0.001, '{HH}:{mm}:{ss}', '\n{D} {MMM} {YYYY}', null, '\n{D} {MMM}', null, null, null, 1],
] satisfies uPlot.Axis.Values

/** A number of each run over time. A click on a point opens its run; the table below has the same numbers. */
export function Plot({ title, points, write, none, fromZero = false }: Options) {
  const place = useRef<HTMLDivElement>(null)
  const [read, setRead] = useState<number | null>(null)
  const dark = useDark()
  const { ids, at, values } = points
  useEffect(() => {
    if (!place.current || at.length === 0) return
    const element = place.current
    let plot: uPlot | undefined
    const observer = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    let wanted = true
    import('./plotter.ts').then(({ Plotter }) => {
      if (!wanted) return
      const options = optionsOf(element, { write, fromZero, read: setRead })
      const tzDate = (seconds: number) => Plotter.tzDate(new Date(seconds * 1000), 'Etc/UTC')
      plot = new Plotter({ ...options, tzDate }, [at, values], element)
    })
    return () => {
      wanted = false
      observer.disconnect()
      plot?.destroy()
    }
  }, [dark, ids.join()])
  const open = () => read !== null && ids[read] !== undefined && location.assign(hashOf('run', ids[read]))
  const latest = values.length - 1
  const shown = read ?? latest
  return (
    <figure class="plot">
      <figcaption>
        {title}{' '}
        {latest >= 0 && values[shown] !== undefined && (
          <span class="pale">
            {write(values[shown])} ·{' '}
            {read === null ? 'latest' : utc(new Date(at[shown]! * 1000).toISOString())}
          </span>
        )}
      </figcaption>
      {latest < 0 ? (
        <p class="none">{none}</p>
      ) : (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the runs of the table are the same, and links
        <div
          ref={place}
          class="canvas"
          role="img"
          aria-label={summary(title, values, write)}
          onClick={open}
        />
      )}
    </figure>
  )
}

const summary = (title: string, values: number[], write: (value: number) => string) =>
  `${title} of ${values.length} refreshes: from ${write(Math.min(...values))} to ${write(Math.max(...values))}, ` +
  `the last ${write(values.at(-1)!)}`

interface Drawing {
  write: (value: number) => string
  fromZero: boolean
  read: (at: number | null) => void
}

function optionsOf(element: HTMLElement, { write, fromZero, read }: Drawing): uPlot.Options {
  const styles = getComputedStyle(element)
  const colour = (name: string) => styles.getPropertyValue(name).trim()
  const axis = {
    stroke: styles.color,
    font: '11px system-ui, sans-serif',
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1, size: 4 },
  }
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    cursor: { y: false, drag: { x: true, y: false }, points: { size: 8 } },
    ...(fromZero && { scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } } }),
    series: [
      {},
      {
        stroke: colour('--accent'),
        ...(fromZero && { fill: colour('--accent-wash') }),
        width: 1.5,
        points: { size: 5, fill: colour('--accent') },
      },
    ],
    axes: [
      { ...axis, space: 70, values: dates },
      {
        ...axis,
        size: 60,
        space: 30,
        values: (_, splits) => splits.map((split) => (fromZero ? write(split) : short.format(split))),
      },
    ],
    hooks: { setCursor: [({ cursor }) => read(cursor.idx ?? null)] },
  }
}
