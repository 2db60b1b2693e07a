import type { Run } from '../../src/api/answers.ts'
import type { Fact } from '../../src/resources/cell.ts'
import { rowsText, runFacts, timeText } from '../../src/resources/runs.ts'
import { aimed, type CommandTarget, command } from '../../src/sql/commands.ts'
import { runbookOf } from '../../src/sql/runbook.ts'
import { duration } from '../../src/sql/words.ts'
import type { Paint } from '../../src/terminal/report.ts'
import { wholeCause } from '../../src/watch/diagnosis/run-cause.ts'
import { factLines } from './table.ts'
import type { Output } from './terminal.ts'
import { fill, harmless, wrap, wrapLines } from './terminal.ts'
import { colored, short, signed } from './words.ts'

/**
 * How a run ended, in one line: `✓ route_delays   swap   9.3 s   4,231 → 4,309 rows   run 812`. With `name`, the width of
 * the longest name, the lines of several runs stand in columns.
 */
export function endLine(run: Run, { paint, name }: { paint: Paint; name?: number }): string {
  const words = name === undefined ? endWords(run).filter((word) => word !== '') : inColumns(endWords(run))
  return `${signed(run.status, paint)} ${[fill(short(run.view), name ?? 0), ...words, paint('dim', `run ${run.id}`)].join('   ')}`
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

/** What a run does at this moment: `building   4 s of about 9 s`; `building   12 s, usually 9.3 s` if it takes longer. */
export const progressText = (phase: string | null, elapsedMs: number, estimatedMs: number | null): string =>
  `${phase ?? 'running'}   ${timeText(elapsedMs, estimatedMs)}`

/** Why a run failed, what to type next, and where more is told. An older version tells no cause. */
export function failureLines({ id, error, cause }: Run, typed: CommandTarget, { width }: Output): string[] {
  if (error === null) return []
  const why = [error.class, error.sqlstate].filter(Boolean).join(', ')
  const { text, next } = cause ?? {
    text: `${error.message} (${why})`,
    next: command(['run', String(id)], null),
  }
  return [
    ...wrapLines(wholeCause({ text }, error), width - 2),
    ...(next === null ? [] : [`next: ${harmless(aimed(next, typed))}`]),
    `more: ${runbookOf(error.class)}`,
  ].map((line) => `  ${line}`.trimEnd())
}

/** Which slices were computed anew, or why a view was refreshed by another strategy than was requested. */
export function insteadLines({ result: { request, response } }: Run, { width }: Output): string[] {
  const { strategy, because } = response
  const isAsAsked =
    !request.slices && !response.slices && [undefined, 'auto', strategy].includes(request.strategy as string)
  if (because === undefined || isAsAsked) return []
  return wrap(harmless(because), width - 2).map((line) => `  ${line}`)
}

/** One run with all that its record says. */
export function runLines(run: Run, now: Date, output: Output): string[] {
  const { progress } = run
  return [
    `${output.paint('bold', `run ${run.id}`)}   ${run.operation} of ${short(run.view)}   ${colored(run.status, run.status, output.paint)}`,
    '',
    ...factLines(
      [
        ...runFacts(run),
        ...(progress && progress.elapsedMs !== null
          ? [['progress', progressText(progress.phase, progress.elapsedMs, progress.estimatedMs)] as Fact]
          : []),
      ],
      now,
      output,
    ),
  ]
}
