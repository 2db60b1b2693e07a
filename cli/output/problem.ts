import { styleText } from 'node:util'
import { Problem, type ProblemCode } from '../../src/problem.ts'
import { aimed, type CommandTarget, command } from '../../src/sql/commands.ts'
import { displayWidth, wrap } from './terminal.ts'

/** What was asked for was done, but failed: a run failed, views differ. */
export const failed = 1
/** The call is wrong: an argument, an option, a file, or a name that nothing has. Nothing was begun. */
export const wrongCall = 2
/** The API or the database cannot be had, or lets nobody in. */
export const unavailable = 3
/** Ctrl-C ended the command. */
export const interrupted = 130

const wrongCalls: ProblemCode[] = [
  'InvalidRequest',
  'InvalidName',
  'UnknownRoute',
  'UnknownView',
  'UnknownRun',
  'UnknownBatch',
  'DefinitionRequired',
  'IdempotencyKeyReused',
]

const unavailables: ProblemCode[] = [
  'FunctionUnavailable',
  'DatabaseUnavailable',
  'DatabaseReadOnly',
  'CredentialsRefused',
  'SuperuserRefused',
  'NotDirect',
  'NotMigrated',
  'TooManyConnections',
  'Unauthenticated',
  'NotAllowed',
  'TooManyRefusals',
]

/** The exit code for something that was thrown. A problem with a record of its own is the failure of a run or a batch. */
export function exitCodeOf(thrown: unknown): number {
  if (!(thrown instanceof Problem)) return failed
  const { code, details } = thrown
  if (details.runId !== undefined || details.batchId !== undefined) return failed
  if (wrongCalls.includes(code)) return wrongCall
  return unavailables.includes(code) ? unavailable : failed
}

/** The API that can tell more, as a command names it. */
export interface Target {
  typed: CommandTarget
}

/** What went wrong and, if there is an API that knows more, what to type next: as lines for standard error. */
export function problemLines(error: Problem, target: Target | null): string[] {
  const next = target === null ? null : nextOf(error, target)
  const message = `${styleText('red', 'viewkeeper:', { stream: process.stderr })} ${error.message}`
  const width = process.stderr.columns ?? Number.POSITIVE_INFINITY
  return [
    // Lines that fit stay as they are: some have columns. Indented ones that end as SQL does are to be typed.
    ...message
      .split('\n')
      .flatMap((line) => (displayWidth(line) > width && !/^ {2}.*;$/.test(line) ? wrap(line, width) : line)),
    ...(next === null ? [] : [`  next: ${next}`]),
  ]
}

/** What to type about a problem that the message alone does not say. */
function nextOf({ code, details }: Problem, { typed }: Target): string | null {
  const { next, runningRunId, openBatchId, runId, batchId } = details
  const type = (...words: string[]) => command(words, typed)
  if (next !== undefined) return aimed(next, typed)
  if (runningRunId !== undefined) return type('run', String(runningRunId), '--watch')
  if (openBatchId !== undefined) return type('batch', openBatchId, '--watch')
  if (runId !== undefined) return type('run', String(runId))
  if (batchId !== undefined) return type('batch', batchId)
  if (code === 'UnknownView') return type('ls')
  if (code === 'UnknownRun') return type('runs')
  if (code === 'UnknownBatch') return type('batches')
  return null
}
