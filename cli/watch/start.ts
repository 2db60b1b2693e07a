import { randomUUID } from 'node:crypto'
import type { Run } from '../../src/api/answers.ts'
import { ask, readRun } from '../../src/api/ask.ts'
import type { Operation } from '../../src/catalog/plan/run.ts'
import { Problem } from '../../src/problem.ts'
import { command } from '../../src/sql/commands.ts'
import type { Api } from '../api/api.ts'
import { failed } from '../output/problem.ts'
import { print, printJson } from '../output/terminal.ts'
import { watchBatch } from './batch.ts'
import { endLines, hasEnded, isDone, watchRun } from './run.ts'
import { unlessInterrupted } from './watch.ts'

interface Wait {
  /** False: only until the server has begun. */
  wait: boolean
  /** The caller prints JSON, so that nothing else may be printed. */
  json?: boolean | undefined
}

/** A run that has just begun is told without a line that changes if it ends within this time. */
const firstWaitSeconds = 1

/** Starts an operation on a view, and tells how it ends. If the run does not succeed, the exit code is 1. */
export async function startRun(
  api: Api,
  { view, operation, body }: { view: string; operation: Operation; body: object },
  { wait, json }: Wait,
): Promise<void> {
  const id = await unlessInterrupted(
    idOf(api, operation, { view, body, wait: wait ? firstWaitSeconds : 0 }),
    () => print(`whether a run has begun: ${command(['runs', view], api.typed)}`),
  )
  const run = await readRun(api, id)
  if (!hasEnded(run) && wait) return void (await watchRun(api, id, { json }))
  if (json) printJson(run)
  else print(...(hasEnded(run) ? await endLines(api, run) : begun(api, run)))
  if (hasEnded(run) && !isDone(run)) process.exitCode = failed
}

/** The run of a request; also the run that failed while the request waited. */
async function idOf(
  api: Api,
  operation: Operation,
  request: { view: string; body: object; wait: number },
): Promise<number> {
  try {
    return (await ask(api, `${operation}View`, { ...request, idempotencyKey: randomUUID() })).runId
  } catch (error) {
    const details = error instanceof Problem ? error.details : {}
    // Another run of the view is in the way: the problem says so better than the record.
    if (details.runId === undefined || details.runningRunId !== undefined) throw error
    return details.runId
  }
}

const begun = (api: Api, { id, view, operation }: Run): string[] => [
  `run ${id}: ${operation} of ${view} has begun`,
  `  watch it: ${command(['run', String(id), '--watch'], api.typed)}`,
]

/** Starts a batch, and watches it until its end, or tells that it has begun. */
export async function startBatch(api: Api, body: object, { wait, json }: Wait): Promise<void> {
  const started = await ask(api, 'startBatch', { body, idempotencyKey: randomUUID() })
  const id = started.batchId
  if (wait) await watchBatch(api, id, { json })
  else if (json) printJson(started)
  else print(`batch ${id} has begun`, `  watch it: ${command(['batch', id, '--watch'], api.typed)}`)
}
