import type { Run } from '../../src/edge/http/schemas/answers.ts'
import { runbookOf } from '../../src/plan/runbook.ts'
import { toldChecks } from '../../src/plan/runs/made-checks.ts'
import { ago, duration, elapsed, moment, rows, whole } from '../../src/plan/words.ts'
import { titleOf } from '../../src/problem.ts'
import type { Paint } from '../../src/terminal/paint.ts'
import { short, withoutView } from './names.ts'
import { type Column, pairLines, tableLines } from './table.ts'
import type { Output } from './terminal.ts'
import { fill, harmless, wrap, wrapLines } from './width.ts'
import { signs, statusStyle } from './words.ts'

/** Runs as a table; without the column of views if they are of one view. */
export function runsTable(runs: Run[], now: Date, output: Output, { view }: { view: boolean }): string[] {
  return tableLines(runColumns(now, view), runs, output)
}

const runColumns = (now: Date, view: boolean): Column<Run>[] => [
  { title: 'RUN', cell: ({ id }) => String(id), right: true },
  ...(view ? [{ title: 'VIEW', cell: (run: Run) => short(run.view) }] : []),
  { title: 'STATUS', cell: ({ status }) => status, style: ({ status }) => statusStyle(status) },
  { title: 'WHEN', cell: ({ requestedAt }) => ago(now.getTime() - Date.parse(requestedAt)), leaveOut: 1 },
  {
    title: 'TOOK',
    cell: ({ durationMs, progress }) =>
      durationMs !== null
        ? duration(durationMs)
        : progress?.elapsedMs != null
          ? elapsed(progress.elapsedMs)
          : '',
    right: true,
    leaveOut: 2,
  },
  {
    title: 'ROWS',
    cell: ({ rowCountAfter }) => (rowCountAfter === null ? '' : whole(rowCountAfter)),
    right: true,
    leaveOut: 4,
  },
  {
    title: 'BY',
    cell: ({ operation, trigger }) => (operation === 'refresh' ? trigger : `${trigger}, ${operation}`),
    leaveOut: 5,
  },
  { title: 'WHY', cell: whyOf, style: () => 'dim', least: 19, leaveOut: 3 },
]

/** Why a run did not do its work, in a few words. */
function whyOf({ error, status, result }: Run): string {
  if (error !== null) return `${error.class}${error.sqlstate === undefined ? '' : ` ${error.sqlstate}`}`
  return status === 'skipped' ? (result.response.because ?? '') : ''
}

/**
 * How a run ended, in one line: `✓ route_delays   swap   9.3 s   4,231 → 4,309 rows   run 812`. With `name`, the width of
 * the longest name, the lines of several runs stand in columns.
 */
export function endLine(run: Run, { paint, name }: { paint: Paint; name?: number }): string {
  const { status } = run
  const style = statusStyle(status)
  const sign = style ? paint(style, signs[status] as string) : (signs[status] as string)
  const words = name === undefined ? endWords(run).filter((word) => word !== '') : inColumns(endWords(run))
  return `${sign} ${[fill(short(run.view), name ?? 0), ...words, paint('dim', `run ${run.id}`)].join('   ')}`
}

/** The views that were refreshed together with the one of a run, because they read it: `  with it   best (run 13), top (run 14)`. */
export const groupLines = ({ result: { response } }: Run, { width, paint }: Output): string[] =>
  response.group === undefined
    ? []
    : wrap(
        `with it, and shown at the same moment: ${response.group.map(({ view, runId }) => `${short(view)} (run ${runId})`).join(', ')}`,
        width - 2,
      ).map((line) => `  ${paint('dim', line)}`)

function endWords(run: Run): string[] {
  const { status, durationMs, result } = run
  const took = durationMs === null ? '' : duration(durationMs)
  if (status === 'success') return [doneWord(run), took, rowsText(run)]
  if (status === 'failed' || status === 'canceled') return [took === '' ? status : `${status} after ${took}`]
  if (status === 'skipped') {
    const why = run.error?.message ?? result.response.because
    return [`skipped${why ? `: ${harmless(why)}` : ''}`]
  }
  return [status]
}

/** As wide as the longest name of a strategy, a duration, and a number of rows that most views have. */
const columnWidths = [10, 7, 14]

const inColumns = (words: string[]): string[] =>
  words.length === 1 ? words : words.map((word, at) => fill(word, columnWidths[at] ?? 0, at > 0))

function doneWord({ operation, result }: Run): string {
  if (operation === 'refresh') return result.response.strategy ?? 'refreshed'
  return operation === 'drop' ? 'dropped' : result.status
}

/** `4,231 → 4,309 rows`, `305 rows`; empty if nobody counted. */
function rowsText({ rowCountBefore, rowCountAfter }: Pick<Run, 'rowCountBefore' | 'rowCountAfter'>): string {
  if (rowCountAfter === null) return ''
  return rowCountBefore === null || rowCountBefore === rowCountAfter
    ? rows(rowCountAfter)
    : `${whole(rowCountBefore)} → ${rows(rowCountAfter)}`
}

/** What a run does at this moment: `building   4 s of about 9 s`; `building   12 s, usually 9.3 s` if it takes longer. */
export function progressText(phase: string | null, elapsedMs: number, estimatedMs: number | null): string {
  const now = `${phase ?? 'running'}   ${elapsed(elapsedMs)}`
  if (estimatedMs === null || estimatedMs <= 0) return now
  return `${now}${elapsedMs > estimatedMs ? ', usually' : ' of about'} ${duration(estimatedMs)}`
}

/**
 * Why a run failed, what readers see meanwhile, and where more is told. `freshAt` is the end of the view's last success; undefined
 * if it is not known.
 */
export function failureLines(
  run: Pick<Run, 'view' | 'operation' | 'error' | 'finishedAt'>,
  {
    freshAt,
    next,
    now,
    output,
  }: { freshAt: string | null | undefined; next?: string; now: Date; output: Output },
): string[] {
  const { error } = run
  if (error === null) return []
  const state = error.sqlstate === undefined ? '' : ` (${error.sqlstate})`
  const texts = [
    `${withoutView(harmless(error.message), run.view)}${state}`,
    ...[error.detail, error.hint].flatMap((text) => text ?? []),
    `${error.class}: ${lowerFirst(titleOf(error.class))}${readersSee(run, freshAt, now)}`,
    ...(next === undefined ? [] : [`next: ${next}`]),
    `more: ${runbookOf(error.class)}`,
  ]
  return texts.flatMap((text) => wrapLines(text, output.width - 2)).map((line) => `  ${line}`.trimEnd())
}

/** Why a view was refreshed by another strategy than was requested. */
export function insteadLines({ result: { request, response } }: Run, { width }: Output): string[] {
  const { strategy, because } = response
  if (because === undefined || [undefined, 'auto', strategy].includes(request.strategy as string)) return []
  return wrap(harmless(because), width - 2).map((line) => `  ${line}`)
}

const lowerFirst = (text: string): string => `${text.charAt(0).toLowerCase()}${text.slice(1)}`

function readersSee(
  { operation, finishedAt }: Pick<Run, 'operation' | 'finishedAt'>,
  freshAt: string | null | undefined,
  now: Date,
): string {
  if (operation !== 'refresh' || freshAt == null) return ''
  return finishedAt !== null && Date.parse(freshAt) > Date.parse(finishedAt)
    ? `; the view was refreshed since, at ${moment(freshAt, now)}`
    : `; readers still see the data of ${moment(freshAt, now)}`
}

/** The checks of a run as pairs: what each found, and how long it took. */
export const checkPairs = (run: Pick<Run, 'checks' | 'durationMs'>): [string, string][] =>
  toldChecks(run).map(([name, text], at) => [at === 0 ? 'checks' : '', `${harmless(name)}: ${text}`])

/** One run with all that its record says. */
export function runLines(run: Run, now: Date, output: Output): string[] {
  const { response, request } = run.result
  const at = (time: string | null) => (time === null ? null : moment(time, now))
  const style = statusStyle(run.status)
  return [
    `${output.paint('bold', `run ${run.id}`)}   ${run.operation} of ${short(run.view)}   ${style ? output.paint(style, run.status) : run.status}`,
    '',
    ...pairLines(
      [
        ['requested', `${at(run.requestedAt)}, ${ago(now.getTime() - Date.parse(run.requestedAt))}`],
        ['by', `${run.trigger}, ${run.requestedBy}`],
        ['asked for', askedFor(request)],
        ['batch', run.batchId === null ? null : `${run.batchId}, attempt ${run.attempt}`],
        ['not before', run.status === 'pending' ? at(run.notBefore) : null],
        ['started', at(run.startedAt)],
        ['ended', at(run.finishedAt)],
        ['took', run.durationMs === null ? null : duration(run.durationMs)],
        [
          'progress',
          run.progress && run.progress.elapsedMs !== null
            ? progressText(run.progress.phase, run.progress.elapsedMs, run.progress.estimatedMs)
            : null,
        ],
        ['strategy', response.strategy ?? null],
        ['because', response.because ?? null],
        ['readers', response.lockedMs === undefined ? null : `locked out for ${duration(response.lockedMs)}`],
        ['rows', rowsText(run)],
        ...checkPairs(run),
        [
          'lock tries',
          response.attempts === undefined || response.attempts < 2 ? null : String(response.attempts),
        ],
        [
          'with',
          response.group?.map(({ view, runId }) => `${short(view)} (run ${runId})`).join(', ') ?? null,
        ],
      ],
      output,
    ),
  ]
}

/** What a request says besides the view. */
function askedFor({ view: _, ...rest }: Record<string, unknown>): string | null {
  const words = Object.entries(rest).map(([field, value]) => `${field} ${JSON.stringify(value)}`)
  return words.length === 0 ? null : words.join(', ')
}

/** The SQL of a run, as it was executed. */
export const sqlLines = ({ result: { response } }: Run): string[] =>
  (response.sql ?? []).map((statement) => `${statement.replace(/;?\s*$/, '')};`)
