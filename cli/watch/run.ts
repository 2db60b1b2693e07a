import type { Run } from '../../src/api/answers.ts'
import { readRun } from '../../src/api/ask.ts'
import { isEnded } from '../../src/catalog/plan/run.ts'
import { command } from '../../src/sql/commands.ts'
import { elapsed } from '../../src/sql/words.ts'
import type { Api } from '../api/api.ts'
import { endLine, failureLines, groupLines, insteadLines, progressText } from '../output/runs.ts'
import { output } from '../output/terminal.ts'
import { short, signed, typed } from '../output/words.ts'
import { watch } from './watch.ts'

/** Watches a run until it has ended, and tells how. If the run does not succeed, the exit code is 1. */
export const watchRun = (api: Api, id: number, options: { json?: boolean | undefined } = {}): Promise<Run> =>
  watch(
    api,
    {
      noun: 'run',
      id: String(id),
      read: () => readRun(api, id),
      hasEnded,
      isDone,
      live: (run, sinceMs, { paint }) => [`${signed('running', paint)} ${runningLine(run, sinceMs)}`],
      pulse: (run) => runningLine(run, 0),
      rest: async (run) => endLines(api, run),
    },
    options,
  )

export const hasEnded = ({ status }: Pick<Run, 'status'>): boolean => isEnded(status)

/** Whether a run did what it was asked: also a `create` of a view that exists, and a `drop` of one that does not. */
export const isDone = ({ status, operation }: Run): boolean =>
  status === 'success' || (status === 'skipped' && operation !== 'refresh')

function runningLine(run: Run, sinceMs: number): string {
  const { progress, status, view } = run
  const state =
    progress === undefined
      ? `${status}   ${elapsed(Date.now() - Date.parse(run.requestedAt))}`
      : progressText(progress.phase, (progress.elapsedMs ?? 0) + sinceMs, progress.estimatedMs)
  return `${short(view)}   ${state}   run ${run.id}`
}

/** How a run ended; if it failed, also why, and what to do. */
export function endLines({ typed: target }: Api, run: Run): string[] {
  const end = endLine(run, output())
  if (run.status === 'skipped' && run.operation === 'refresh')
    return [end, `  next: ${command(['why', typed(run.view)], target)}`]
  return run.error === null
    ? [end, ...groupLines(run, output()), ...insteadLines(run, output())]
    : [end, ...failureLines(run, target, output())]
}
