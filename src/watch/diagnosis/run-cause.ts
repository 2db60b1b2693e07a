import { toSeeThem } from '../../rebuild/plan/check-data.ts'
import type { RunFacts, SlowRun } from '../../record/plan/watch.ts'
import type { CauseCode } from '../../words/causes.ts'
import { type CommandTarget, command } from '../../words/commands.ts'
import { cut, duration, utc } from '../../words/phrases.ts'
import { mayRetry, problemCodes, sentences } from '../../words/problem.ts'
import type { Cause, ExaminedView, Surroundings } from './cause.ts'

const longestMessage = 600

/** A run that has ended, as far as it is known. */
type EndedRunFacts = Pick<RunFacts, 'id' | 'operation' | 'status'> &
  Partial<Pick<RunFacts, 'batchId' | 'finishedAt' | 'because' | 'batchCanceled'>> & {
    error: EndedWith | null
  }

type EndedWith = Partial<NonNullable<RunFacts['error']>> &
  Pick<NonNullable<RunFacts['error']>, 'class' | 'message'>

/** Why a run has failed or was canceled, as `why` tells it. Pure. */
export const causeOf = (run: Parameters<typeof runCause>[0] & EndedRunFacts, typed: CommandTarget): Cause =>
  runCause(run, run, { typed, clock: utc, longest: Infinity })

/** How a run of a view ended that did not succeed, in a sentence or two, and what to type next. Pure. */
export function runCause(
  {
    view,
    lastSuccessAt,
    populated,
    staleMs = null,
    checkFailedSince = null,
  }: Pick<ExaminedView, 'view' | 'lastSuccessAt' | 'populated'> & Partial<ExaminedView>,
  run: EndedRunFacts,
  { typed, clock, longest = longestMessage }: Pick<Surroundings, 'typed' | 'clock'> & { longest?: number },
): Cause {
  const { id, operation, status, batchId, finishedAt = null, error } = run
  const type = (...words: string[]) => command(words, typed)
  const ended = (code: CauseCode, text: string, next = type('refresh', view)) => cause(code, text, next, run)
  const at = finishedAt === null ? '' : ` at ${clock(finishedAt)}`
  const message = recorded(error?.message ?? run.because ?? '', longest)
  if (status === 'skipped') return ended('Skipped', `Run ${id} skipped ${view}${at}: ${message}`)
  if (status === 'canceled')
    return ended(
      'Canceled',
      `${run.batchCanceled ? `Batch ${batchId}` : `Run ${id} of ${view}`} was canceled${at}.`,
    )
  const isMended = lastSuccessAt !== null && finishedAt !== null && lastSuccessAt > finishedAt
  const after =
    lastSuccessAt === null || !populated
      ? ''
      : isMended
        ? ` It has succeeded since, at ${clock(lastSuccessAt)}.`
        : ` Readers still see the data of ${clock(lastSuccessAt)}${error?.class === 'CheckFailed' && staleMs !== null ? `, ${duration(staleMs)} old` : ''}.`
  if (error?.class === 'CheckFailed') {
    const first = checkFailedSince ?? finishedAt
    const found = [
      error.detail ? withoutEnd(error.detail.replace(/^Found: /, 'the check found ')) : null,
      isMended || first === null ? null : `it has failed since ${clock(first)}`,
    ].filter((each) => each !== null)
    return ended(
      'CheckFailed',
      `Run ${id}${at}: ${withoutEnd(message)}${found.length === 0 ? '' : ` (${found.join('; ')})`}.${after}`,
      differs(error.hint) ? command(['diff', view], null) : type('runs', String(id)),
    )
  }
  const what = operation === 'refresh' ? `of ${view} failed` : `could not ${operation} ${view}`
  const toDo = isHintInCause(error?.class) ? (error?.hint ?? '') : lackingIn(error?.hint)
  const why = error === null ? '' : ` (${[error.class, error.sqlstate].filter(Boolean).join(', ')})`
  const failed = `Run ${id} ${what}${at}`
  return ended(
    'Failed',
    sentences(
      endsTyped.test(message) ? `${failed}${why}: ${message}` : `${failed}: ${withoutEnd(message)}${why}`,
      toDo,
      after.trim(),
    ),
    operation === 'refresh' && error?.class === 'ViewSqlFailed'
      ? command(['bad-row', view], null)
      : type(...wordsAfter(error, view, id)),
  )
}

/** A cause with what was found and advised besides, for a reader who has nothing else. */
export const wholeCause = ({ text, next }: Pick<Cause, 'text' | 'next'>, error: EndedWith): string =>
  sentences(text, ...adviceOf(error, next)).replace(/ (?=\n)/g, '')

/** What an error says besides its cause and what to type next. What a check found stands in the cause. */
export const adviceOf = (
  { class: why, detail, hint }: Partial<Record<'class' | 'detail' | 'hint', string | null>>,
  next: string | null | undefined,
): (string | null | undefined)[] =>
  why === 'CheckFailed'
    ? [differs(hint) && next !== null ? null : hint]
    : [detail, isHintInCause(why) || secondsIn(hint) !== null ? null : hint?.slice(lackingIn(hint).length)]

const isHintInCause = (why: string | null | undefined) => why === 'DiskFull' || why === 'TableRefused'

/** The time that a run may need which ended at its time-out. */
const secondsIn = (hint: string | null | undefined): string | null =>
  /^Give it more time once: option timeout, (\d+) seconds$/.exec(hint ?? '')?.[1] ?? null

/** What is missing by a hint, as its cause says it; the hint goes on with who may grant it. To type is what `doctor` says: a name in a hint may look like SQL. */
export const lackingIn = (hint: string | null | undefined): string =>
  /^Missing: .*\.$/m.exec(hint ?? '')?.[0] ?? ''

/** Whether `diff` shows what a check found. A query does if it does not: that is the owner's to execute, and nothing to type as somebody else. */
const differs = (hint: string | null | undefined): boolean =>
  hint?.startsWith(`${toSeeThem}viewkeeper diff `) ?? false

/** What to type after such a failure. */
function wordsAfter(error: EndedWith | null, view: string, id: number): string[] {
  const { class: why, hint } = error ?? {}
  const seconds = secondsIn(hint)
  if (why === 'StatementTimeout' && seconds !== null) return ['refresh', view, '--timeout', seconds]
  if (why === 'EventTriggerFailed') return ['refresh', view, '--strategy', 'concurrent']
  if (why === 'InsufficientPrivilege' || why === 'SwapImpossible') return ['doctor', view]
  if (why === 'TableRefused') return ['refresh', view]
  if (why === 'UniqueIndexRequired') return ['refresh', view, '--strategy', 'auto']
  // A newer version may have written a class that this one does not know.
  return why !== undefined && problemCodes.includes(why) && mayRetry(why)
    ? ['refresh', view]
    : ['runs', String(id)]
}

/** That a refresh took long, and what was not as before. Pure. */
export function slowCause({ id, view, durationMs, usualMs, changed }: SlowRun, typed: CommandTarget): Cause {
  const differs = changed.map(([what, before, now]) => `${what} ${now}, ${before} before`).join('; ')
  const text = `${view} took ${duration(durationMs)}; it usually takes ${duration(usualMs)}${differs === '' ? '' : ` (${differs})`}.`
  return cause('Slow', text, command(['runs', view], typed), { id })
}

/** A cause, with the run and the batch that it is about. */
export const cause = (
  code: CauseCode,
  text: string,
  next: string | null = null,
  run?: Partial<Pick<RunFacts, 'id' | 'batchId'>>,
): Cause => ({
  code,
  text,
  next,
  ...(run?.id === undefined ? {} : { runId: run.id }),
  ...(run?.batchId == null ? {} : { batchId: run.batchId }),
})

/** A last line that is to be typed, and so stays as it is. */
const endsTyped = /\n {2}.*$/

const withoutEnd = (text: string): string => text.replace(/(?<!\.)\.$/, '')
const sentence = (text: string): string => (/[.!?;]$/.test(text) ? text : `${text}.`)

/** A text of a record as a part of a cause, with a full stop. */
export const recorded = (text: string, longest = longestMessage): string => sentence(cut(text, longest))
