import { styleText } from 'node:util'
import type { Problem } from '../../src/problem.ts'
import { aimed, type CommandTarget, command } from '../../src/sql/commands.ts'
import { displayWidth, wrap } from './width.ts'

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
