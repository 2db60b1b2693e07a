import type { BatchDetails, Run, ToldBatchView } from '../../src/api/answers.ts'
import { type Fact, viewsCell } from '../../src/resources/cell.ts'
import { askedFor, lockOf, rowsText, runFacts, timeText } from '../../src/resources/run-facts.ts'
import type { Paint } from '../../src/terminal/report.ts'
import { lackingIn, wholeCause } from '../../src/watch/diagnosis/run-cause.ts'
import { aimed, type CommandTarget, command, isCommand } from '../../src/words/commands.ts'
import { bytes, count, duration, elapsed, names, roughly } from '../../src/words/phrases.ts'
import { runbookOf, sentences } from '../../src/words/problem.ts'
import { batchViewOrder } from '../../src/words/run.ts'
import { factLines } from './table.ts'
import {
  colored,
  cut,
  displayWidth,
  fill,
  harmless,
  type Output,
  short,
  signed,
  withoutView,
  wrap,
  wrapLines,
} from './terminal.ts'

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

/** Why a run failed, what to type next unless that is `here`, and where more is told. An older version tells no cause. */
export function failureLines(
  { id, error, cause }: Run,
  typed: CommandTarget,
  { width }: Output,
  here: string[] = [],
): string[] {
  if (error === null) return []
  const why = [error.class, error.sqlstate].filter(Boolean).join(', ')
  const { text, next } = cause ?? {
    text: sentences(`${error.message} (${why})`, lackingIn(error.hint)),
    next: command(['runs', String(id)], null),
  }
  return [
    ...wrapLines(wholeCause({ text, next }, error), width - 2),
    ...(next === null || isCommand(next, here) ? [] : [`next: ${harmless(aimed(next, typed))}`]),
    `more: ${runbookOf(error.class)}`,
  ].map((line) => `  ${line}`.trimEnd())
}

/** Which slices were computed anew, or why a view was refreshed by another strategy than was requested. */
export function insteadLines({ result: { request, response } }: Run, { width }: Output): string[] {
  const { strategy, because } = response
  const isAsAsked =
    !request.slices &&
    !response.slices &&
    !response.computes?.unused &&
    [undefined, 'auto', strategy].includes(request.strategy as string)
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

/** What is said above the views of a batch that has begun. */
export const batchTitle = ({ id, views, concurrency }: BatchDetails, { paint }: Output): string =>
  `${paint('bold', `batch ${id}`)}   ${count(views.length, 'view')}, ${concurrency} at once`

/** How a batch stands, who asked for it, and which views. */
export function batchHead(batch: BatchDetails, now: Date, output: Output): string[] {
  const { id, status, requestedAt, requestedBy, trigger, concurrency, exchange, strategy, shadowBytes } =
    batch
  return [
    `${output.paint('bold', `batch ${id}`)}   ${colored(status, status, output.paint)}`,
    '',
    ...factLines(
      [
        ['requested', [{ moment: requestedAt }, ', ', { past: requestedAt }]],
        ['by', `${trigger}, ${requestedBy}`],
        ['views', [askedFor(batch), `, ${concurrency} at once`]],
        ['strategy', strategy],
        ['exchange', exchange],
        ['shadows', shadowBytes > 0 && batch.finishedAt === null ? `${bytes(shadowBytes)} on disk` : null],
        ...batch.groups.flatMap(({ views, givenUp }): Fact[] =>
          givenUp === null ? [] : [['not together', [viewsCell(views, 3), `: ${givenUp.message}`]]],
        ),
      ],
      now,
      output,
    ),
    '',
  ]
}

/** A view of a batch at a moment. `sinceMs` is the time since the API answered: what runs goes on. */
interface At {
  batch: BatchDetails
  sinceMs: number
  now: Date
}

/** The views of a batch as they stand, the most telling first, in at most `height` lines; what is left out is counted. */
export function viewLinesOf(views: ToldBatchView[], at: At, output: Output & { height: number }): string[] {
  const sorted = views.toSorted((a, b) => batchViewOrder.indexOf(a.status) - batchViewOrder.indexOf(b.status))
  const fit = sorted.length <= output.height ? sorted.length : Math.max(0, output.height - 1)
  const name = nameWidth(at.batch, output.width)
  const lines = sorted.slice(0, fit).map((view) => viewLine(view, at, { ...output, name }))
  const rest = Map.groupBy(sorted.slice(fit), ({ status }) => status)
  if (rest.size === 0) return lines
  const counts = [...rest].map(([status, those]) => `${those.length} ${status}`).join(', ')
  return [...lines, output.paint('dim', `  and ${sorted.length - fit} more: ${counts}`)]
}

/** How wide the names of a batch's views are: at most two fifths of the terminal. */
export const nameWidth = ({ views }: BatchDetails, width: number): number =>
  Math.min(Math.floor(width * 0.4), Math.max(0, ...views.map(({ view }) => displayWidth(short(view)))))

function viewLine(view: ToldBatchView, at: At, { width, paint, name }: Output & { name: number }): string {
  const room = width - name - 5
  return `${signed(view.status, paint)} ${fill(cut(short(view.view), name), name)}   ${cut(harmless(stateText(view, at)), room)}`
}

/** What a view of a batch does or waits for. */
export function stateText(view: ToldBatchView, { batch, sinceMs, now }: At): string {
  const last = view.runs.at(-1)
  const again = last !== undefined && last.attempt > 1 ? `   attempt ${last.attempt}` : ''
  switch (view.status) {
    case 'running':
      return progressText(last?.phase ?? null, (last?.elapsedMs ?? 0) + sinceMs, view.estimatedMs) + again
    case 'built':
      return `built, waits for the exchange${withOthers(view, batch)}`
    case 'success':
      return `done${tookText(last)}${again}${view.includedBecause ? '; included' : ''}`
    case 'failed':
      return `failed${last?.elapsedMs == null ? '' : ` after ${duration(last.elapsedMs)}`}: ${messageOf(view, last)}`
    case 'canceled':
      return 'canceled'
    case 'skipped':
      return `skipped: ${last?.message ?? last?.class ?? 'it was not to be refreshed'}`
    case 'pending':
      return last?.notBefore && Date.parse(last.notBefore) > now.getTime()
        ? `tries again in ${elapsed(Date.parse(last.notBefore) - now.getTime())}${afterFailure(view)}`
        : waitText(view, batch)
    case 'waiting':
      return waitText(view, batch)
    case 'pruned':
      return 'no longer in the history'
  }
}

const tookText = (last: ToldBatchView['runs'][number] | undefined): string =>
  last?.elapsedMs == null ? '' : ` in ${duration(last.elapsedMs)}`

const messageOf = ({ view }: ToldBatchView, run: ToldBatchView['runs'][number] | undefined): string =>
  `${withoutView(run?.message ?? run?.class ?? '', view)}${run?.sqlstate ? ` (${run.sqlstate})` : ''}`

const afterFailure = (view: ToldBatchView): string => {
  const failed = view.runs.at(-2)
  if (failed === undefined) return ''
  return ` after: ${messageOf(view, failed)}`
}

function waitText({ view, waitsFor }: ToldBatchView, batch: BatchDetails): string {
  const { concurrency, views, startedAt } = batch
  const lock = lockOf(batch, view)
  if (lock !== undefined) return `waits: ${lock}`
  if (waitsFor.length > 0) return `waits for ${names(waitsFor.map(short), 3)}`
  const begins = !views.some(({ status }) => status === 'running')
  if (begins && startedAt === null) return 'waits until other batches leave it a place'
  // An older environment tells of no refusal.
  if (batch.refused) return `waits for a connection: ${batch.refused}`
  return begins
    ? 'begins soon'
    : `queued: ${concurrency === 1 ? '1 refresh is' : `${concurrency} refreshes are`} running`
}

function withOthers({ view }: ToldBatchView, { groups }: BatchDetails): string {
  const others =
    groups.find(({ views }) => views.includes(view))?.views.filter((other) => other !== view) ?? []
  return others.length === 0 ? '' : ` with ${names(others.map(short), 3)}`
}

/** How far a batch is: `3 of 8 done, 1 failed, 2 running   12 s, about 20 s left`. */
export function progressLine({ batch, sinceMs, now }: At, { paint }: Output): string {
  const elapsedMs =
    batch.elapsedMs === null ? now.getTime() - Date.parse(batch.requestedAt) : batch.elapsedMs + sinceMs
  const done = countOf(batch, 'success')
  const others = (['failed', 'canceled', 'skipped', 'running', 'built'] as const)
    .map((status) => [status, countOf(batch, status)] as const)
    .filter(([, n]) => n > 0)
    .map(([status, n]) => `, ${colored(status, `${n} ${status}`, paint)}`)
  const rest = Math.max(0, (batch.estimatedRestMs ?? 0) - sinceMs)
  const left = batch.estimatedRestMs === null || rest < 1000 ? '' : `, about ${roughly(rest)} left`
  return `${done} of ${batch.views.length} done${others.join('')}   ${paint('dim', `${elapsed(elapsedMs)}${left}`)}`
}

/** How a batch ended, in one line. */
export function endOfBatch(batch: BatchDetails, { paint }: Output): string {
  const parts = (['failed', 'canceled', 'skipped', 'pruned'] as const)
    .map((status) => [status, countOf(batch, status)] as const)
    .filter(([, n]) => n > 0)
    .map(([status, n]) => `, ${n} ${status === 'pruned' ? 'no longer in the history' : status}`)
  const took = batch.elapsedMs === null ? '' : ` in ${duration(batch.elapsedMs)}`
  const missing = (batch.error?.views ?? []).filter((name) => !batch.views.some(({ view }) => view === name))
  if (missing.length > 0) parts.push(`, ${missing.length} missing`)
  const all = count(batch.views.length + missing.length, 'view')
  const done = `${countOf(batch, 'success')} of ${all} refreshed${parts.join('')}${took}`
  return `${signed(batch.status, paint)} ${done}`
}

const countOf = ({ views }: BatchDetails, status: ToldBatchView['status']): number =>
  views.filter((view) => view.status === status).length

/** How the latest run of a view of a batch ended, from the batch alone: without rows and strategy. */
export const briefEnd = (view: ToldBatchView, at: At, output: Output): string =>
  viewLine(view, at, { ...output, name: nameWidth(at.batch, output.width) })
