import type { View, ViewDetails } from '../api/answers.ts'
import type { MadeCheck } from '../catalog/plan/checks.ts'
import { outsideClock } from '../catalog/plan/definition.ts'
import { byUrgency, filters, retryText, type StateFilter, wordsOfState } from '../catalog/plan/state.ts'
import { heldBack } from '../watch/diagnosis/cause.ts'
import { bytes, duration, moment, whole } from '../words/phrases.ts'
import { isEnded } from '../words/run.ts'
import { type Cell, type Column, type Fact, isUnwell, type Sign, signOf, signOfRun } from './cell.ts'
import { checkFacts } from './run-facts.ts'

/** The table of views. */
export const viewColumns: Column<View>[] = [
  { name: 'view', title: 'View', cell: ({ view }) => ({ view }) },
  { name: 'state', title: 'State', cell: (view) => stateCell(view) },
  { name: 'age', title: 'Age', cell: (view) => ({ age: view }), number: true, leaveOut: 0 },
  {
    name: 'limit',
    title: 'Limit',
    cell: ({ maxStaleMs }) => lengthOf(maxStaleMs),
    number: true,
    leaveOut: 2,
  },
  { name: 'run', title: 'Last run', cell: lastRunCell, leaveOut: 1, least: 20 },
  {
    name: 'duration',
    title: 'Took',
    cell: ({ lastRun }) => lengthOf(lastRun?.durationMs ?? null),
    number: true,
    leaveOut: 5,
  },
  { name: 'rows', title: 'Rows', cell: rowsOf, number: true, leaveOut: 4 },
  {
    name: 'next',
    title: 'Next run',
    cell: ({ nextRun, nextBy }) =>
      nextRun === null ? { onPage: 'not scheduled' } : nextBy === 'log' ? 'on changes' : { ahead: nextRun },
    leaveOut: 3,
  },
  { name: 'size', title: 'Size', cell: sizeOf, number: true, leaveOut: 6 },
  { name: 'schedule', title: 'Schedule', cell: scheduleCell, leaveOut: 7 },
]

/** The numbers of a view. */
export function viewFacts(view: ViewDetails, now: Date): Fact[] {
  const held = heldBack(view)
  const checked = lastChecked(view.recentRuns)
  const waits = view.nextRun !== null && new Date(view.nextRun) > now
  const byLog = view.nextBy === 'log' && waits ? 'when its log has rows, at the latest ' : null
  return [
    ['source', view.source],
    ['owner', view.owner],
    ['comment', view.comment],
    ['strategy', view.strategy === 'difference' ? 'difference, as of each incremental table' : view.strategy],
    ['rows', rowsOf(view)],
    ['size', sizeOf(view)],
    [
      'change log',
      view.logBytes == null ? null : [bytes(view.logBytes), view.logNote ?? []].flat().join(': '),
    ],
    ['last run', view.retry == null ? null : retryText(view.retry, view.view, now)],
    [
      'as of',
      view.asOf === null && view.lastSuccessAt !== null
        ? 'nobody knows: viewkeeper why says the reason'
        : momentCell(view.asOf),
    ],
    [
      'incident',
      view.incident ? [view.incident.text, ' Since ', { moment: view.incident.openedAt }, '.'] : null,
    ],
    ['held back by', held && { view: held }],
    ['held back', view.checkFailedSince ? ['by a check since ', { moment: view.checkFailedSince }] : null],
    ['last success', momentCell(view.lastSuccessAt)],
    ['schedule', scheduleCell(view)],
    ['limit', limitCell(view)],
    ['paused until', view.paused ? (momentCell(view.pausedUntil ?? null) ?? 'somebody resumes it') : null],
    ['next run', view.nextRun && [byLog, { moment: view.nextRun }, ', ', { ahead: view.nextRun }]],
    ...(checked ? checkFacts(checked) : []),
  ]
}

/** The orders of a list of views, and their words; each begins with what matters most. */
export const orderWords = {
  urgency: 'most urgent',
  name: 'name',
  age: 'oldest data',
  duration: 'longest refresh',
  rows: 'most rows',
  size: 'largest',
  next: 'next run',
} as const
export type Order = keyof typeof orderWords
export const orders = Object.keys(orderWords) as Order[]

/** What is compared: the larger comes first, and what is unknown last. */
const measures: Record<Exclude<Order, 'urgency' | 'name'>, (view: View) => number | null> = {
  age: ({ staleMs }) => staleMs,
  duration: ({ lastRun }) => lastRun?.durationMs ?? null,
  rows: ({ countedRows, estimatedRows }) => countedRows ?? estimatedRows,
  size: ({ sizeBytes }) => sizeBytes,
  next: ({ nextRun }) => (nextRun === null ? null : -Date.parse(nextRun)),
}

/** Views in this order, and by name if it leaves a choice or is none. By urgency, a view stands above those that it holds back. */
export function inOrder(views: View[], order: string = 'urgency'): View[] {
  if (order === 'urgency') return byUrgency(views)
  const measure = measures[order as keyof typeof measures] ?? (() => 0)
  const rankOf = (view: View) => measure(view) ?? -Number.MAX_VALUE
  return views.toSorted((a, b) => rankOf(b) - rankOf(a) || (a.view < b.view ? -1 : 1))
}

/** The view to look into: the first that is not well, or the one that it waits for. Null: all are well. */
export function firstToFix(views: View[]): string | null {
  const first = views.find(({ state }) => isUnwell(signOf(state)))
  return first?.culprit ?? first?.view ?? null
}

/** What a list can be narrowed to, and what that means. */
export const filterTexts: Record<StateFilter, string> = {
  stale: 'that are older than their limit',
  failed: 'of which a refresh failed, and none has succeeded since',
  heldBack: 'that wait for another view',
  unknown: 'of whose data nobody knows the age',
  running: 'that are being refreshed',
  paused: 'that are paused',
  aside: 'that are set aside for a change of a table',
  missing: 'that somebody has dropped',
  unpopulated: 'that are in the database without data',
}

/** How a filter is called and coloured: as the state that it is named after. */
export const wordsOfFilter = (filter: StateFilter): Pick<Sign, 'word' | 'tone'> =>
  filter === 'running' ? signOfRun('running') : wordsOfState(filter)

/** How many views are in each state that the list can be narrowed to. */
export const countStates = (views: View[]): Record<StateFilter, number> =>
  Object.fromEntries(
    Object.entries(filters).map(([filter, fits]) => [filter, views.filter(fits).length]),
  ) as Record<StateFilter, number>

/** What a pause of a view means. */
export const pausedMeans =
  'schedules, batches and requests leave it as it is until it is resumed, and it is never stale'
/** What the pause of everything means. */
export const allPausedMeans = 'schedules and deploys refresh nothing, requests still do'

/**
 * How a view stands. On the page what is not well leads to its cause: to the page of the view that it waits for, or of the view itself,
 * unless that is `here`.
 */
export function stateCell({ view, state, culprit, paused }: View, where?: 'here'): Cell {
  const sign = signOf(state)
  const stands: Cell =
    state === 'heldBack' && culprit !== null
      ? [{ sign, word: `${sign.word} by` }, ' ', { view: culprit }]
      : { sign, ...(where !== 'here' && isUnwell(sign) && { of: { view } }) }
  return paused && state !== 'paused' ? [stands, { onPage: { sign: signOf('paused') } }] : stands
}

function lastRunCell({ view, lastRun, retry, suspendedUntil, pausedUntil }: View, now: Date): Cell {
  if (pausedUntil != null) return `paused until ${moment(pausedUntil, now)}`
  if (retry != null) return { sign: signOfRun('failed'), word: retryText(retry, view, now) }
  if (lastRun === null) return { onPage: 'never run' }
  const { id, status, requestedAt, finishedAt, durationMs } = lastRun
  return [
    { sign: signOfRun(status), of: { run: id } },
    ' ',
    isEnded(status)
      ? { past: finishedAt ?? requestedAt }
      : `for ${duration(now.getTime() - Date.parse(requestedAt))}`,
    suspendedUntil == null ? null : `, suspended until ${moment(suspendedUntil, now)}`,
    durationMs === null ? null : { onPage: ` · ${duration(durationMs)}` },
  ]
}

const lengthOf = (ms: number | null): Cell => (ms === null ? null : duration(ms))

const momentCell = (at: string | null): Cell => (at === null ? null : { moment: at })

function rowsOf({ countedRows, estimatedRows }: View): Cell {
  if (countedRows != null) return whole(countedRows)
  return estimatedRows === null ? null : `~${whole(estimatedRows)}`
}

function sizeOf({ sizeBytes }: View): Cell {
  return sizeBytes === null ? null : bytes(sizeBytes)
}

/** What refreshes the view: a target lag, of its own or of a view that reads it, its own schedule, or that of every view. */
function scheduleCell({
  schedule,
  timeZone,
  targetLagSeconds,
  promisedMs,
  promisedFor,
  lagWorksSeconds,
  nextBy,
  nightly,
  source,
}: View): Cell {
  if (promisedFor != null && promisedMs != null)
    return [`within ${duration(promisedMs)}, for `, { view: promisedFor }]
  if (targetLagSeconds != null)
    return `within ${duration(targetLagSeconds * 1000)}${lagWorksSeconds == null ? '' : `: ${duration(lagWorksSeconds * 1000)} works`}`
  // Its jobs refresh the view already.
  if (schedule === outsideClock && source === 'discovered') return 'pg_cron'
  if (schedule != null) return `${schedule}${timeZone == null ? '' : ` ${timeZone}`}`
  // An older version does not say when.
  return nightly != null ? `nightly ${nightly}` : nextBy === 'nightly' ? 'nightly' : null
}

/** How old the data may become, and how that comes about. */
const limitCell = ({ maxStaleMs, promisedMs }: View): Cell =>
  maxStaleMs === null
    ? null
    : `${duration(maxStaleMs)}: ${
        promisedMs === maxStaleMs
          ? 'the target lag'
          : 'maxStalenessSeconds of its definition; without that, the longest time between two turns of its schedules, and one hour, or twice its usual duration, more'
      }`

/** The last run among these, newest first, whose checks are known. */
const lastChecked = <Run extends { checks?: MadeCheck[] | null }>(runs: Run[]): Run | undefined =>
  runs.find(({ checks }) => checks)
