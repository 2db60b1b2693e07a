import type { Run } from '../../src/api/answers.ts'
import { ago, count, duration, whole } from '../../src/sql/words.ts'

const blocks = '▁▂▃▄▅▆▇█'

/** Values as a curve of one line, from the left to the right; the lowest block is the smallest value, or 0 if that is near. */
function curve(values: number[]): string {
  const least = Math.min(...values)
  const most = Math.max(...values)
  const floor = least < most / 2 ? 0 : least
  const step = (most - floor) / (blocks.length - 1)
  return values.map((value) => blocks[step === 0 ? 0 : Math.round((value - floor) / step)]).join('')
}

interface Plotting {
  now: Date
  width: number
  /** False: only the figures, for a file or a pipe. */
  drawn: boolean
}

const mostRuns = 60

/**
 * How long the successful refreshes of a view took and how many rows they left, over time: as pairs of a label and a line. None
 * for less than two refreshes. The runs come newest first.
 */
export function plotPairs(
  runs: Pick<Run, 'durationMs' | 'rowCountAfter' | 'finishedAt'>[],
  { now, width, drawn }: Plotting,
): [label: string, line: string][] {
  const room = Math.max(8, Math.min(mostRuns, width - 44))
  const shown = runs.slice(0, room).reverse()
  const pair = (
    label: string,
    of: (run: (typeof shown)[number]) => number | null,
    said: (value: number) => string,
  ): [string, string][] => {
    const values = shown.flatMap((run) => of(run) ?? [])
    if (values.length < 2) return []
    const [least, most] = [Math.min(...values), Math.max(...values)]
    const range = least === most ? said(least) : `${said(least)} to ${said(most)}`
    return [[label, [...(drawn ? [curve(values)] : []), range].join('  ')]]
  }
  const pairs = [
    ...pair('took', ({ durationMs }) => durationMs, duration),
    ...pair('rows then', ({ rowCountAfter }) => rowCountAfter, whole),
  ]
  const first = shown[0]?.finishedAt
  const since = first == null ? '' : `, since ${ago(now.getTime() - Date.parse(first))}`
  return pairs.map(([label, line], at) => [
    label,
    at === 0 ? `${line}, the last ${count(shown.length, 'refresh', 'refreshes')}${since}` : line,
  ])
}
