import type { BatchDetails, BatchView, Run } from '../../src/api/answers.ts'
import { readBatch, readRun } from '../../src/api/ask.ts'
import { command } from '../../src/sql/commands.ts'
import { names } from '../../src/sql/words.ts'
import type { Api } from '../api/api.ts'
import {
  batchTitle,
  briefEnd,
  endOfBatch,
  nameWidth,
  progressLine,
  stateText,
  viewLinesOf,
} from '../output/batches.ts'
import { exitCodeOf, unavailable } from '../output/problem.ts'
import { endLine } from '../output/runs.ts'
import { output } from '../output/terminal.ts'
import { short } from '../output/words.ts'
import { endLines } from './run.ts'
import { watch } from './watch.ts'

/** If more views end at once, their lines have only what the batch says: their runs are not read one by one. */
const mostRead = 10
const mostFailures = 5
const mostSkipped = 20

/**
 * Watches a batch until it has ended. A view that is done is told once, in a line that stays; on a terminal the other
 * views stand below, with what they do or wait for. If the batch does not succeed, the exit code is 1.
 */
export function watchBatch(
  api: Api,
  id: string,
  options: { json?: boolean | undefined } = {},
): Promise<BatchDetails> {
  const told = new Set<string>()
  let isTitled = false
  return watch(
    api,
    {
      noun: 'batch',
      id,
      read: () => readBatch(api, id),
      hasEnded: ({ finishedAt }) => finishedAt !== null,
      isDone: ({ status }) => status === 'success',
      async kept(batch) {
        const title = isTitled ? [] : [batchTitle(batch, output())]
        isTitled = true
        return [...title, ...(await newLines(api, batch, told))]
      },
      live(batch, sinceMs, room) {
        const at = { batch, sinceMs, now: new Date() }
        const open = batch.views.filter(({ view }) => !told.has(view))
        return [
          ...viewLinesOf(open, at, { ...room, height: Math.max(1, room.height - 4) }),
          '',
          progressLine(at, room),
        ]
      },
      pulse: (batch) =>
        `${progressLine({ batch, sinceMs: 0, now: new Date() }, output())}${runningText(batch)}`,
      rest: (batch) => restLines(api, batch),
    },
    options,
  )
}

const runningText = ({ views }: BatchDetails): string =>
  `   ${names(
    views.filter(({ status }) => status === 'running').map(({ view }) => short(view)),
    3,
  )}`.trimEnd()

/** A line for each view that has succeeded since the last look, and for each try that failed. */
async function newLines(api: Api, batch: BatchDetails, told: Set<string>): Promise<string[]> {
  const now = new Date()
  const at = { batch, sinceMs: 0, now }
  const done = batch.views
    .filter(({ view, status }) => status === 'success' && !told.has(view))
    .toSorted(byEnd)
  for (const { view } of done) told.add(view)
  const name = nameWidth(batch, output().width)
  const lines = await Promise.all(
    done.map(async (view, n) => {
      const run = n < mostRead ? await lastRunOf(api, view) : null
      return run === null ? briefEnd(view, at, output()) : endLine(run, { ...output(), name })
    }),
  )
  const tries = batch.views.filter(
    (view) => view.status === 'pending' && view.runs.length > 1 && !told.has(tryKey(view)),
  )
  for (const view of tries) told.add(tryKey(view))
  return [...lines, ...tries.map((view) => `! ${short(view.view).padEnd(name)}   ${stateText(view, at)}`)]
}

/** The last run of a view; null if the API cannot be had at this moment, which does not end the watching. */
const lastRunOf = (api: Api, { runs }: BatchView): Promise<Run | null> =>
  readRun(api, runs.at(-1)?.runId as number).catch((error) => {
    if (exitCodeOf(error) !== unavailable) throw error
    return null
  })

const tryKey = ({ view, runs }: BatchView): string => `${view} ${runs.length}`

const byEnd = (a: BatchView, b: BatchView): number => endOf(a).localeCompare(endOf(b))
const endOf = ({ runs }: BatchView): string => runs.at(-1)?.finishedAt ?? ''

/** What is said when a batch has ended: the views that were not refreshed with the reasons, a sum, and what to do. */
async function restLines(api: Api, batch: BatchDetails): Promise<string[]> {
  const at = { batch, sinceMs: 0, now: new Date() }
  const not = (status: BatchView['status']) => batch.views.filter((view) => view.status === status)
  const failures = not('failed')
  const reasons = await Promise.all(
    failures.slice(0, mostFailures).map(async (view) => {
      const run = await lastRunOf(api, view)
      return run === null ? [briefEnd(view, at, output())] : endLines(api, run)
    }),
  )
  const others = [...failures.slice(mostFailures), ...not('canceled'), ...not('skipped')]
  return [
    ...reasons.flat(),
    ...others.slice(0, mostSkipped).map((view) => briefEnd(view, at, output())),
    ...(others.length > mostSkipped ? [`  and ${others.length - mostSkipped} more`] : []),
    ...(batch.views.length === 0 ? [] : ['']),
    endOfBatch(batch, output()),
    ...(batch.error === null || batch.status === 'canceled' || failures.length > 0
      ? []
      : [`  ${batch.error.message}`]),
    ...(failures.length === 0
      ? []
      : [`  when the cause is gone: ${command(['retry', batch.id], api.typed)}`]),
  ]
}
