import type { View, ViewDetails } from '../../src/edge/http/schemas/answers.ts'
import { heldBack } from '../../src/plan/diagnosis/held-back.ts'
import {
  type AnyState,
  ageText,
  byUrgency,
  filters,
  retryText,
  states,
  wordsOfState,
} from '../../src/plan/diagnosis/state.ts'
import { savedText } from '../../src/plan/monitoring/saved.ts'
import { isEnded } from '../../src/plan/run.ts'
import { lastChecked } from '../../src/plan/runs/made-checks.ts'
import { ago, ahead, bytes, count, duration, moment, whole } from '../../src/plan/words.ts'
import type { Paint } from '../../src/terminal/paint.ts'
import { short } from './names.ts'
import { checkPairs, runsTable } from './runs.ts'
import { savedColumn } from './saved.ts'
import { type Column, pairLines, tableLines } from './table.ts'
import type { Output } from './terminal.ts'
import { statusStyle, styleOf } from './words.ts'

/** The orders of `ls --sort`. What is unknown comes last. */
const orders = {
  age: (view: View) => view.staleMs,
  rows: (view: View) => view.estimatedRows,
  duration: (view: View) => view.lastRun?.durationMs ?? null,
  next: (view: View) => (view.nextRun === null ? null : -Date.parse(view.nextRun)),
} satisfies Record<string, (view: View) => number | null>

export type Order = keyof typeof orders | 'name'

/** Sorts views: without an order, those in trouble come first, and below each those that it holds back. */
export function sorted(views: View[], order?: Order): View[] {
  if (order === 'name') return views.toSorted(byName)
  if (order !== undefined)
    return views.toSorted(
      (a, b) => (orders[order](b) ?? -Infinity) - (orders[order](a) ?? -Infinity) || byName(a, b),
    )
  return byUrgency(views)
}

const byName = (a: View, b: View): number => (a.view < b.view ? -1 : 1)

/** Views as a table. `now` is the time of the answer. */
export function viewsTable(views: View[], now: Date, output: Output): string[] {
  const columns: Column<View>[] = [
    { title: 'VIEW', cell: ({ view }) => short(view) },
    {
      title: 'STATE',
      cell: stateText,
      style: ({ state }) => styleOf(wordsOfState(state).tone),
    },
    {
      title: 'AGE',
      cell: (view) => (view.staleMs === null ? '' : ageText(view)),
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
      style: ({ lastRun, retry }) =>
        retry != null
          ? statusStyle('failed')
          : lastRun?.status === 'success'
            ? undefined
            : statusStyle(lastRun?.status),
      leaveOut: 1,
      least: 20,
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
    savedColumn(8),
  ]
  return tableLines(columns, views, output)
}

/** `held back by order_values` */
const stateText = ({ state, culprit }: View): string =>
  `${wordsOfState(state).word}${state === 'heldBack' && culprit !== null ? ` by ${short(culprit)}` : ''}`

const lastRunOf = ({ view, lastRun, retry, suspendedUntil }: View, now: Date): string => {
  if (retry != null) return retryText(retry, view, now)
  if (lastRun === null) return ''
  const since = now.getTime() - Date.parse(lastRun.finishedAt ?? lastRun.requestedAt)
  const { status } = lastRun
  if (suspendedUntil != null) return `${status} ${ago(since)}, suspended until ${moment(suspendedUntil, now)}`
  return isEnded(status) ? `${status} ${ago(since)}` : `${status} for ${duration(since)}`
}

const sizeOf = ({ sizeBytes }: View): string => (sizeBytes === null ? '' : bytes(sizeBytes))

/** What refreshes the view: a target lag, of its own or of a view that reads it, its own schedule, or that of every view. */
const scheduleOf = ({
  schedule,
  timeZone,
  targetLagSeconds,
  promisedMs,
  promisedFor,
  lagWorksSeconds,
  nextBy,
}: View): string =>
  promisedFor != null && promisedMs != null
    ? `within ${duration(promisedMs)}, for ${short(promisedFor)}`
    : targetLagSeconds != null
      ? `within ${duration(targetLagSeconds * 1000)}${lagWorksSeconds == null ? '' : `: ${duration(lagWorksSeconds * 1000)} works`}`
      : schedule != null
        ? `${schedule}${timeZone == null ? '' : ` ${timeZone}`}`
        : nextBy === 'nightly'
          ? 'nightly'
          : ''

/** How many views there are of each kind: `7 views: 1 failed, 6 fresh   1 running   saved: 12 refreshes in 24 h (3 min)`. */
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
  const saved = savedText(views)
  return [
    told,
    ...(running === 0 ? [] : [`${running} running`]),
    ...(saved === null ? [] : [`saved: ${saved}`]),
  ].join('   ')
}

/** One view in one line: `route_delays is stale: 26 h old, and may be 25 h old`. */
function standingLine(view: View, paint: Paint): string {
  const age =
    view.staleMs === null
      ? 'never refreshed by Viewkeeper'
      : view.asOf === null
        ? `age unknown (at least ${duration(view.staleMs)})`
        : `${duration(view.staleMs)} old`
  const limit = view.maxStaleMs === null ? 'no limit' : `limit ${duration(view.maxStaleMs)}`
  return `${paint('bold', short(view.view))}   ${paint(styleOf(wordsOfState(view.state).tone), stateText(view))}   ${age}, ${limit}`
}

/** One view with its indexes and last runs. */
export function viewLines(
  view: ViewDetails,
  now: Date,
  output: Output,
  plots: [label: string, line: string][] = [],
): string[] {
  const list = (views: string[]) => (views.length === 0 ? null : views.map(short).join(', '))
  const held = heldBack(view)
  const checked = lastChecked(view.recentRuns)
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
        ['last run', view.retry == null ? null : retryText(view.retry, view.view, now)],
        [
          'as of',
          view.asOf !== null
            ? moment(view.asOf, now)
            : view.lastSuccessAt === null
              ? null
              : 'nobody knows: viewkeeper why says the reason',
        ],
        ['held back by', held === null ? null : short(held)],
        [
          'held back',
          view.checkFailedSince ? `by a check since ${moment(view.checkFailedSince, now)}` : null,
        ],
        ['last success', view.lastSuccessAt === null ? null : moment(view.lastSuccessAt, now)],
        ['schedule', scheduleOf(view)],
        ['saved', savedText([view])],
        [
          'next run',
          view.nextRun === null
            ? null
            : `${moment(view.nextRun, now)}, ${ahead(Date.parse(view.nextRun) - now.getTime())}`,
        ],
        ['reads', list(view.dependsOn)],
        ['read by', list(view.neededBy)],
        ...plots,
        ...(checked ? checkPairs(checked) : []),
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
