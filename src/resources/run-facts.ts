import type { BatchDetails, Run, ToldAction, ToldBatch, ToldBatchView } from '../api/answers.ts'
import type { Counts, MadeCheck } from '../catalog/plan/checks.ts'
import { askedOf, optionsOf, personOf } from '../record/plan/action-words.ts'
import { duration, elapsed, rows, whole } from '../words/phrases.ts'
import { batchViewOrder } from '../words/run.ts'
import { type Cell, type Column, type Fact, signOfRun, viewsCell } from './cell.ts'

/** The table of runs. */
export const runColumns: Column<Run>[] = [
  { name: 'id', title: 'Run', cell: ({ id }) => ({ run: id }), number: true },
  { name: 'view', title: 'View', cell: ({ view }) => ({ view }) },
  { name: 'status', title: 'Status', cell: ({ status }) => ({ sign: signOfRun(status) }) },
  { name: 'time', title: 'When', cell: ({ requestedAt }) => ({ past: requestedAt }), leaveOut: 1 },
  { name: 'duration', title: 'Took', cell: tookOf, number: true, leaveOut: 2 },
  { name: 'rows', title: 'Rows', cell: rowsCell, number: true, leaveOut: 4 },
  { name: 'by', title: 'By', cell: byCell, pale: true, leaveOut: 5 },
  { name: 'result', title: 'Result', cell: resultCell, pale: true, least: 19, leaveOut: 3 },
]

/** What each check of a run found, and how long it took. */
export const checkFacts = (run: Pick<Run, 'checks' | 'durationMs'>): Fact[] =>
  toldChecks(run).map(([name, text], at) => [at === 0 ? 'checks' : '', `${name}: ${text}`])

function tookOf({ durationMs, progress }: Run): Cell {
  if (durationMs !== null) return duration(durationMs)
  return progress?.elapsedMs == null ? null : elapsed(progress.elapsedMs)
}

function rowsCell({ rowCountBefore, rowCountAfter }: Run): Cell {
  if (rowCountAfter === null) return null
  const changed = rowCountBefore !== null && rowCountBefore !== rowCountAfter
  return [changed ? { onPage: `${whole(rowCountBefore)} → ` } : null, whole(rowCountAfter)]
}

function byCell({ batchId, trigger, operation, attempt }: Run): Cell {
  return [
    batchId === null ? trigger : { batch: batchId, text: trigger },
    operation === 'refresh' ? null : `, ${operation}`,
    attempt > 1 ? `, attempt ${attempt}` : null,
  ]
}

/** Why a run did not do its work, in a few words; on the page also what it did. */
function resultCell({ error, status, result: { response } }: Run): Cell {
  if (error !== null)
    return [{ code: [error.class, error.sqlstate].filter(Boolean).join(' ') }, { onPage: error.message }]
  if (status === 'skipped') return response.because ?? null
  return { onPage: response.strategy ?? response.because ?? null }
}

/** All that the record of a run says. */
export function runFacts(run: Run): Fact[] {
  const { response, request } = run.result
  const moment = (at: string | null | undefined) => (at ? { moment: at } : null)
  return [
    ['requested', [{ moment: run.requestedAt }, ', ', { past: run.requestedAt }]],
    ['by', `${run.trigger}, ${run.requestedBy}`],
    ['asked for', wordsOfRequest(request)],
    ['batch', run.batchId && [{ batch: run.batchId }, `, attempt ${run.attempt}`]],
    ['not before', run.status === 'pending' ? moment(run.notBefore) : null],
    ['started', moment(run.startedAt)],
    ['ended', moment(run.finishedAt)],
    ['took', run.durationMs === null ? null : duration(run.durationMs)],
    ['strategy', response.strategy ?? null],
    ['because', response.because ?? null],
    ['readers', response.lockedMs === undefined ? null : `locked out for ${duration(response.lockedMs)}`],
    ['rows', rowsText(run)],
    ...checkFacts(run),
    [
      'lock tries',
      response.attempts === undefined || response.attempts < 2 ? null : String(response.attempts),
    ],
    [
      'with',
      response.group?.map(({ view, runId }, at) => [
        at === 0 ? null : ', ',
        { view },
        ' (',
        { run: runId, text: `run ${runId}` },
        ')',
      ]) ?? null,
    ],
  ]
}

/** `4,231 → 4,309 rows`, `305 rows`; empty if nobody counted. */
export function rowsText({
  rowCountBefore,
  rowCountAfter,
}: Pick<Run, 'rowCountBefore' | 'rowCountAfter'>): string {
  if (rowCountAfter === null) return ''
  return rowCountBefore === null || rowCountBefore === rowCountAfter
    ? rows(rowCountAfter)
    : `${whole(rowCountBefore)} → ${rows(rowCountAfter)}`
}

/** The time of what goes on against what it usually takes: `4 s of about 9 s`; `12 s, usually 9.3 s` if it takes longer. */
export function timeText(elapsedMs: number, estimatedMs: number | null): string {
  const now = elapsed(elapsedMs)
  if (estimatedMs === null || estimatedMs <= 0) return now
  return `${now}${elapsedMs > estimatedMs ? ', usually' : ' of about'} ${duration(estimatedMs)}`
}

/** What a run has executed, each statement with its semicolon. */
export const statementsOf = ({ result: { response } }: Run): string[] =>
  (response.sql ?? []).map((statement) => `${statement.replace(/;?\s*$/, '')};`)

/** What a request says besides the view. */
function wordsOfRequest({ view: _, ...rest }: Record<string, unknown>): string {
  return Object.entries(rest)
    .map(([field, value]) => `${field} ${JSON.stringify(value)}`)
    .join(', ')
}

/** What the checks of a run found and how long each took, by their names; a check that took longer than the rest of the run is said. */
export function toldChecks({
  checks,
  durationMs,
}: {
  checks?: MadeCheck[] | null
  durationMs: number | null
}): [name: string, text: string][] {
  const made = checks ?? []
  const restMs = (durationMs ?? Number.POSITIVE_INFINITY) - made.reduce((sum, { ms }) => sum + ms, 0)
  return made.map(({ name, rows: found, ms, differs, about }) => [
    name,
    `${about !== undefined ? `about ${rows(about)}: too many to be compared` : differs ? `${toldCounts(differs)}${found === 0 ? '' : ', warned'}` : found === 0 ? 'nothing' : `${rows(found)}, warned`}, ${duration(ms)}${ms > restMs ? ': longer than the refresh itself' : ''}`,
  ])
}

/** `of 100 rows 1 gone, 3 changed, 2 added` */
const toldCounts = ({ before, added, gone, changed }: Counts): string =>
  `of ${rows(before)} ${whole(gone)} gone, ${whole(changed)} changed, ${whole(added)} added`

/** The table of who did what. */
export const actionColumns: Column<ToldAction>[] = [
  { name: 'time', title: 'When', cell: ({ at }) => ({ past: at }) },
  { name: 'action', title: 'Action', cell: askedOf },
  { name: 'asked', title: 'What', cell: aboutCell },
  {
    name: 'by',
    title: 'By',
    cell: ({ requestedBy }) => ({ short: personOf(requestedBy), whole: requestedBy }),
    pale: true,
    least: 16,
  },
  {
    name: 'run',
    title: 'Run',
    cell: ({ runId }) => (runId === null ? null : { run: runId }),
    number: true,
    leaveOut: 2,
  },
  { name: 'with', title: 'With', cell: optionsOf, pale: true, leaveOut: 1 },
]

/** What an action was about: `sales`, `batch 20261120-090000-1f3c9a2b`, `everything scheduled`, `no view`. */
export function aboutCell({
  action,
  views,
  batchId,
}: Pick<ToldAction, 'action' | 'views' | 'batchId'>): Cell {
  if (views.length === 0 && batchId === null)
    return action === 'pause' || action === 'resume' ? 'everything scheduled' : 'no view'
  const inBatch: Cell = batchId === null ? null : { batch: batchId, text: `batch ${batchId}` }
  return views.length === 0 ? inBatch : [viewsCell(views, 3), inBatch && { onPage: [', ', inBatch] }]
}

/** The table of batches. */
export const batchColumns: Column<ToldBatch>[] = [
  { name: 'id', title: 'Batch', cell: ({ id }) => ({ batch: id }) },
  { name: 'status', title: 'Status', cell: ({ status }) => ({ sign: signOfRun(status) }) },
  { name: 'asked', title: 'Views', cell: askedFor, least: 16, leaveOut: 2 },
  { name: 'time', title: 'When', cell: ({ requestedAt }) => ({ past: requestedAt }), leaveOut: 1 },
  {
    name: 'duration',
    title: 'Took',
    cell: ({ elapsedMs }) => (elapsedMs === null ? null : duration(elapsedMs)),
    number: true,
    leaveOut: 3,
  },
  {
    name: 'by',
    title: 'By',
    cell: ({ trigger, requestedBy }) => [trigger, { onPage: `, ${requestedBy}` }],
    pale: true,
    leaveOut: 5,
  },
  {
    name: 'result',
    title: 'Result',
    cell: ({ error }) => error && [{ code: error.class }, { onPage: error.message }],
    pale: true,
    leaveOut: 4,
  },
]

interface Requested {
  views?: string[]
  pattern?: string
  scheduled?: { schedule: string; timeZone: string }
  ancestors?: boolean
  descendants?: boolean
  retryOf?: string
  failed?: boolean
}

/** What a batch was asked for: `all views`, `sales and what reads them`, `views with schedule 0 3 * * * UTC`. */
export function askedFor({ request }: Pick<ToldBatch, 'request'>): Cell {
  const { ancestors, descendants } = request as Requested
  return [
    whatOf(request as Requested),
    ancestors ? ' and what they read' : null,
    descendants ? ' and what reads them' : null,
  ]
}

function whatOf({ views, pattern, scheduled, retryOf, failed }: Requested): Cell {
  if (retryOf) return ['what batch ', { batch: retryOf }, ' did not refresh']
  if (failed) return 'what failed'
  if (views) return viewsCell(views, 3)
  if (scheduled) return `views with schedule ${scheduled.schedule} ${scheduled.timeZone}`
  return pattern?.replace(/^\*\./, '') ?? 'all views'
}

/** How many views of a batch are in each status, the most telling first: `1 failed, 2 skipped, 4 success`. */
export const countStatuses = (
  views: Pick<ToldBatchView, 'status'>[],
): { status: ToldBatchView['status']; count: number }[] =>
  batchViewOrder
    .map((status) => ({ status, count: views.filter((view) => view.status === status).length }))
    .filter(({ count }) => count > 0)

/** Which lock a view of a batch waits for. An older environment tells of none. */
export const lockOf = ({ locked }: BatchDetails, view: string): string | undefined =>
  locked?.find((each) => each.view === view)?.because
