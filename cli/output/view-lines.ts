import type { Run, View, ViewDetails } from '../../src/api/answers.ts'
import { type AnyState, filters, oldText, states } from '../../src/catalog/plan/state.ts'
import { signOf, viewsCell, without } from '../../src/resources/cell.ts'
import { runColumns } from '../../src/resources/run-facts.ts'
import { viewFacts } from '../../src/resources/views.ts'
import type { Paint } from '../../src/terminal/report.ts'
import { ago, count, duration, whole } from '../../src/words/phrases.ts'
import { factLines, tableOf } from './table.ts'
import { type Output, short, styleOf } from './terminal.ts'

/** How many views there are of each kind: `7 views: 1 failed, 6 fresh   1 running`. */
export function summaryOf(views: View[]): string {
  const byState = Map.groupBy(views, ({ state }) => state)
  const counts = Object.entries(states).flatMap(([state, { word }]) => {
    const n = byState.get(state as AnyState)?.length ?? 0
    return n === 0 ? [] : [{ n, word }]
  })
  const told =
    counts.length === 1
      ? `${count(views.length, 'view')}, ${views.length === 1 ? '' : 'all '}${counts[0]?.word}`
      : `${count(views.length, 'view')}: ${counts.map(({ n, word }) => `${n} ${word}`).join(', ')}`
  const running = views.filter(filters.running).length
  return running === 0 ? told : `${told}   ${running} running`
}

/** How a view stands, in one line: `route_delays   stale   26 h old, limit 25 h`. */
export const standingLine = (
  view: Pick<View, 'view' | 'state' | 'culprit' | 'staleMs' | 'asOf' | 'maxStaleMs'>,
  paint: Paint,
  besides = '',
): string => {
  const { word, tone } = signOf(view.state)
  const limit = view.maxStaleMs === null ? 'no limit' : `limit ${duration(view.maxStaleMs)}`
  const by = view.state === 'heldBack' && view.culprit !== null ? ` by ${short(view.culprit)}` : ''
  return `${paint('bold', short(view.view))}   ${paint(styleOf(tone), word + by)}   ${oldText(view)}${besides}, ${limit}`
}

/** One view with its indexes and last runs. */
export function viewLines(
  view: ViewDetails,
  now: Date,
  output: Output,
  plots: [label: string, line: string][] = [],
): string[] {
  return [
    standingLine(view, output.paint),
    '',
    ...factLines(
      [
        ...viewFacts(view, now),
        ['reads', viewsCell(view.dependsOn, Number.POSITIVE_INFINITY)],
        ['read by', viewsCell(view.neededBy, Number.POSITIVE_INFINITY)],
        ...plots,
        ...view.indexes.map(({ name, unique, definition }, at): [string, string] => [
          at === 0 ? 'indexes' : '',
          indexText(name, unique, definition),
        ]),
      ],
      now,
      output,
    ),
    ...runsOfView(view.recentRuns, now, output),
  ]
}

/** The last runs of one view, after an empty line; nothing if there is none. */
export const runsOfView = (runs: Run[], now: Date, output: Output): string[] =>
  runs.length === 0 ? [] : ['', ...tableOf(without(runColumns, 'view'), runs, now, output)]

/** An index without the words that say the same for every index. */
const indexText = (name: string, unique: boolean, definition: string | null): string =>
  `${name}${unique ? ' unique' : ''}${definition === null ? '' : ` ${definition.replace(/^.*? USING /, '')}`}`

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
