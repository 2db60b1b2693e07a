import type { Batch } from '../batch/db/batches.ts'
import { type Found, kindWords } from '../events/plan/event.ts'
import type { EndedRun } from '../watch/db/publish.ts'
import { type Monitored, monitor, type Publisher } from '../watch/monitor.ts'
import { isSlow, isUnnoticedFailure } from '../watch/plan/runs.ts'
import { type Pruned, prune } from '../watch/prune.ts'
import type { Kept, Logger } from './terms.ts'

// What the clock calls, through every door. A call does the job once, goes on where the last one stopped, and logs what it has done;
// what fails is thrown, and the door tells it.

/** Looks once with the monitor, and publishes what it finds as log lines. `also` is told the same. */
export function look(
  { database, logger, ...kept }: Omit<Kept, 'retention'>,
  also?: Partial<Publisher>,
): Promise<Monitored> {
  const lines = logging(logger)
  return monitor(database, {
    ...kept,
    publish: {
      runs(ended) {
        lines.runs(ended)
        also?.runs?.(ended)
      },
      batches(ended) {
        lines.batches(ended)
        also?.batches?.(ended)
      },
      incidents(...found) {
        lines.incidents(...found)
        also?.incidents?.(...found)
      },
    },
  })
}

/** Removes the history that `retention` does not keep, until then (epoch milliseconds). */
export async function removeHistory(
  { database, logger, retention, programs }: Pick<Kept, 'database' | 'logger' | 'retention' | 'programs'>,
  until: number,
): Promise<Pruned> {
  const pruned = await prune(database, { ...retention, programs: programs !== null }, until)
  if (pruned.done) logger.info('pruned', { ...pruned })
  else logger.warn('pruned a part: the time was up; the next call goes on', { ...pruned })
  return pruned
}

/** The most views that one log line names. */
const mostNames = 20

/** Publishes what a look of the monitor has found as log lines. */
const logging = (logger: Logger): Publisher => ({
  runs: (ended) => {
    for (const run of ended) logRun(logger, run)
  },
  batches: (ended) => {
    for (const batch of ended) logBatch(logger, batch)
  },
  incidents: (kind, found, told) => logIncidents(logger, `views are ${kindWords[kind]}`, found, told),
})

/** `told` are the names that a message for people is about. */
function logIncidents(logger: Logger, message: string, found: Found[], told: string[]): void {
  if (found.length === 0) return
  logger.warn(message, {
    count: found.length,
    views: found
      .slice(0, mostNames)
      .map(({ kind: _, name, ...age }) => (age.maxStalenessSeconds === null ? name : { view: name, ...age })),
    ...(told.length === 0 ? {} : { toldCount: told.length, told: told.slice(0, mostNames) }),
  })
}

function logRun(logger: Logger, run: EndedRun): void {
  logger[isUnnoticedFailure(run) ? 'error' : 'info']('run ended', {
    runId: run.id,
    view: run.view,
    operation: run.operation,
    trigger: run.trigger,
    ...(run.batchId === null ? {} : { batchId: run.batchId }),
    status: run.status,
    // Left out if it is not true: the query of Logs Insights filters by `ispresent(fresh)`.
    ...(run.status === 'success' && run.fills ? { fresh: true } : {}),
    strategy: run.meta.response.strategy,
    finishedAt: run.finishedAt,
    durationMs: run.durationMs,
    rowCountBefore: run.rowCountBefore,
    rowCountAfter: run.rowCountAfter,
    ...(isSlow(run.durationMs, run.usualMs)
      ? { slow: true, usualMs: Math.round(run.usualMs as number) }
      : {}),
    ...problem(run.error),
  })
}

/** The one line of a batch. */
function logBatch(logger: Logger, batch: Batch): void {
  logger[batch.status === 'failed' ? 'error' : 'info']('batch ended', {
    batchId: batch.id,
    trigger: batch.trigger,
    requestedBy: batch.requestedBy,
    status: batch.status,
    finishedAt: batch.finishedAt,
    durationMs: batch.elapsedMs,
    ...problem(batch.error),
  })
}

const problem = (error: { class: string; sqlstate?: string; message: string } | null) =>
  error === null ? {} : { class: error.class, sqlstate: error.sqlstate, problem: error.message }
