import type { View, ViewDetails } from '../../src/edge/http/schemas/answers.ts'
import { isEnded } from '../../src/plan/run.ts'
import { type AnyState, byUrgency, states, worstOf } from '../../src/plan/views/state.ts'
import { ago, ahead, bytes, count, duration, moment, whole } from '../../src/plan/words.ts'
import type { Paint } from '../../src/terminal/paint.ts'
import { short } from './names.ts'
import { runsTable } from './runs.ts'
import { type Column, pairLines, tableLines } from './table.ts'
import type { Output } from './terminal.ts'
import { statusStyle, styleOf } from './words.ts'

/** How a view stands: what is worst about it. How its last run ended has a column of its own. */
export const stateInList = (view: View): AnyState => worstOf({ ...view, lastRun: null })

/** The orders of `ls --sort`. What is unknown comes last. */
const orders = {
  age: (view: View) => view.staleMs,
  rows: (view: View) => view.estimatedRows,
  duration: (view: View) => view.lastRun?.durationMs ?? null,
  next: (view: View) => (view.nextRun === null ? null : -Date.parse(view.nextRun)),
} satisfies Record<string, (view: View) => number | null>

export type Order = keyof typeof orders | 'name'

/** Sorts views: without an order, those in trouble come first (the most overdue of them first), then by name. */
export function sorted(views: View[], order?: Order): View[] {
  if (order === 'name') return views.toSorted(byName)
  if (order !== undefined)
    return views.toSorted(
      (a, b) => (orders[order](b) ?? -Infinity) - (orders[order](a) ?? -Infinity) || byName(a, b),
    )
  return views.toSorted(byUrgency)
}

const byName = (a: View, b: View): number => (a.view < b.view ? -1 : 1)

/** Views as a table. `now` is the time of the answer. */
export function viewsTable(views: View[], now: Date, output: Output): string[] {
  const columns: Column<View>[] = [
    { title: 'VIEW', cell: ({ view }) => short(view) },
    {
      title: 'STATE',
      cell: (view) => states[stateInList(view)].word,
      style: (view) => styleOf(states[stateInList(view)].tone),
    },
    {
      title: 'AGE',
      cell: ({ staleMs }) => (staleMs === null ? '' : duration(staleMs)),
      style: ({ stale }) => (stale ? styleOf(states.stale.tone) : undefined),
      right: true,
      leaveOut: 0,
    },
    {
      title: 'LIMIT',
      cell: ({ maxStaleMs }) => (maxStaleMs === null ? '' : duration(maxStaleMs)),
      right: true,
      leaveOut: 2,
    },
    {
      title: 'LAST RUN',
      cell: (view) => lastRunOf(view, now),
      style: ({ lastRun }) => (lastRun?.status === 'success' ? undefined : statusStyle(lastRun?.status)),
      leaveOut: 1,
    },
    {
      title: 'TOOK',
      cell: ({ lastRun }) => (lastRun?.durationMs == null ? '' : duration(lastRun.durationMs)),
      right: true,
      leaveOut: 5,
    },
    {
      title: 'ROWS',
      cell: ({ estimatedRows }) => (estimatedRows === null ? '' : whole(estimatedRows)),
      right: true,
      leaveOut: 4,
    },
    {
      title: 'NEXT RUN',
      cell: ({ nextRun }) => (nextRun === null ? '' : ahead(Date.parse(nextRun) - now.getTime())),
      leaveOut: 3,
    },
    { title: 'SIZE', cell: sizeOf, right: true, leaveOut: 6 },
    { title: 'SCHEDULE', cell: scheduleOf, leaveOut: 7 },
  ]
  return tableLines(columns, views, output)
}

const lastRunOf = ({ lastRun }: View, now: Date): string => {
  if (lastRun === null) return ''
  const since = now.getTime() - Date.parse(lastRun.requestedAt)
  const { status } = lastRun
  return isEnded(status) ? `${status} ${ago(since)}` : `${status} for ${duration(since)}`
}

const sizeOf = ({ sizeBytes }: View): string => (sizeBytes === null ? '' : bytes(sizeBytes))

/** When a schedule refreshes the view: its own, or that of every view. */
const scheduleOf = ({ schedule, timeZone, nextBy }: View): string =>
  schedule != null
    ? `${schedule}${timeZone == null ? '' : ` ${timeZone}`}`
    : nextBy === 'nightly'
      ? 'nightly'
      : ''

/** How many views there are of each kind: `7 views: 1 stale, 6 fresh   last runs: 1 failed`. */
export function summaryOf(views: View[]): string {
  const byState = Map.groupBy(views, stateInList)
  const counts = Object.entries(states).flatMap(([standing, { word }]) => {
    const n = byState.get(standing as AnyState)?.length ?? 0
    return n === 0 ? [] : [{ n, word }]
  })
  const told =
    counts.length === 1
      ? `${count(views.length, 'view')}, ${views.length === 1 ? '' : 'all '}${counts[0]?.word}`
      : `${count(views.length, 'view')}: ${counts.map(({ n, word }) => `${n} ${word}`).join(', ')}`
  const last = (['failed', 'running'] as const).flatMap((status) => {
    const n = views.filter(({ lastRun }) => lastRun?.status === status).length
    return n === 0 ? [] : [`${n} ${status}`]
  })
  return last.length === 0 ? told : `${told}   last runs: ${last.join(', ')}`
}

/** One view in one line: `route_delays is stale: 26 h old, and may be 25 h old`. */
function standingLine(view: View, paint: Paint): string {
  const { word, tone } = states[stateInList(view)]
  const age = view.staleMs === null ? 'never refreshed' : `${duration(view.staleMs)} old`
  const limit = view.maxStaleMs === null ? 'no limit' : `limit ${duration(view.maxStaleMs)}`
  return `${paint('bold', short(view.view))}   ${paint(styleOf(tone), word)}   ${age}, ${limit}`
}

/** One view with its indexes and last runs. */
export function viewLines(view: ViewDetails, now: Date, output: Output): string[] {
  const list = (views: string[]) => (views.length === 0 ? null : views.map(short).join(', '))
  return [
    standingLine(view, output.paint),
    '',
    ...pairLines(
      [
        ['source', view.source],
        ['owner', view.owner],
        ['comment', view.comment],
        ['strategy', view.strategy],
        ['rows', view.estimatedRows === null ? null : `about ${whole(view.estimatedRows)}`],
        ['size', sizeOf(view)],
        ['fresh since', view.lastSuccessAt === null ? null : moment(view.lastSuccessAt, now)],
        ['schedule', scheduleOf(view)],
        [
          'next run',
          view.nextRun === null
            ? null
            : `${moment(view.nextRun, now)}, ${ahead(Date.parse(view.nextRun) - now.getTime())}`,
        ],
        ['reads', list(view.dependsOn)],
        ['read by', list(view.neededBy)],
        ...view.indexes.map(({ name, unique, definition }, at): [string, string] => [
          at === 0 ? 'indexes' : '',
          indexText(name, unique, definition),
        ]),
      ],
      output,
    ),
    ...(view.recentRuns.length === 0
      ? []
      : ['', ...runsTable(view.recentRuns, now, output, { view: false })]),
  ]
}

/** An index without the words that say the same for every index. */
const indexText = (name: string, unique: boolean, definition: string | null): string =>
  `${name}${unique ? ' unique' : ''}${definition === null ? '' : ` ${definition.replace(/^.*? USING /, '')}`}`
