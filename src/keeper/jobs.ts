import type { Batch } from '../record/batches/batches.ts'
import { leaveToCron } from '../record/definitions/discovered.ts'
import { readWaitingSeconds } from '../record/events/outbox.ts'
import { isSlow, isUnnoticedFailure, type Retention } from '../record/plan/batch.ts'
import type { Heard } from '../record/plan/watch.ts'
import { pruneActions } from '../record/watch/actions.ts'
import type { EndedRun } from '../record/watch/ended.ts'
import { pruneIncidents } from '../record/watch/incidents.ts'
import { prepareKept, pruneBatches, pruneRange, vacuumHistory } from '../record/watch/prune.ts'
import type { Database } from '../server/database.ts'
import { type Monitored, monitor, type Publisher } from '../watch/monitor.ts'
import type { Finding } from '../watch/plan/wrong.ts'
import { kindWords } from '../words/event.ts'
import type { KeptDatabase, Logger } from './terms.ts'

// What the clock calls, through every door. A call does the job once, goes on where the last one stopped, and logs what it has done;
// what fails is thrown, and the door tells it.

/** Looks once with the monitor, and publishes what it finds as log lines. `also` is told the same. */
export function look(
  { database, logger, ...kept }: Omit<KeptDatabase, 'retention'> & { heard?: Heard | undefined },
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

/** For how long something has waited to be sent, in seconds; null: nothing waits. */
export const measureWaiting = (database: Database): Promise<number | null> =>
  database.withConnection(readWaitingSeconds)

/** Removes the history that `retention` does not keep, until then (epoch milliseconds). */
export async function removeHistory(
  {
    database,
    logger,
    retention,
    programs,
  }: Pick<KeptDatabase, 'database' | 'logger' | 'retention' | 'programs'>,
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
function logIncidents(logger: Logger, message: string, found: Finding[], told: string[]): void {
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

/** What was pruned. `done` is false if the time was up first; the next prune continues. */
interface Pruned {
  runs: number
  batches: number
  done: boolean
}

const runsAtOnce = 10_000
const batchesAtOnce = 500
/** Time reserved to finish the piece that was begun. */
const lastPieceMs = 5000
/** Time reserved for the server to answer that it has canceled the vacuum. */
const lastWordMs = 1000

/**
 * Removes the history past its retention, and looks what pg_cron refreshes by now, until nothing is left to remove or until `until` (epoch
 * milliseconds). The transactions are small, so that nobody has to wait for them. The next prune continues,
 * whatever stopped this one.
 */
export const prune = (database: Database, retention: Retention, until: number): Promise<Pruned> =>
  database.withConnection(
    async (sql) => {
      const allFrom = await prepareKept(sql, retention)
      const isOver = () => Date.now() > until - lastPieceMs
      let runs = 0
      let batches = 0
      for (let from: number | null = 1; from !== null; ) {
        if (isOver()) return { runs, batches, done: false }
        const range = await pruneRange(sql, from, runsAtOnce, retention, allFrom)
        runs += range.removed
        from = range.next
      }
      for (let removed = batchesAtOnce; removed === batchesAtOnce; ) {
        if (isOver()) return { runs, batches, done: false }
        removed = await pruneBatches(sql, batchesAtOnce, retention)
        batches += removed
      }
      // A login that may not remove actions is told so, after the vacuum.
      try {
        await leaveToCron(sql)
        await pruneActions(sql, retention.days)
        await pruneIncidents(sql, retention.days)
      } finally {
        await vacuumHistory(sql, Math.max(until - lastWordMs - Date.now(), 1))
      }
      return { runs, batches, done: true }
    },
    { startUp: { application_name: 'viewkeeper prune', statement_timeout: '60000' }, deadline: until },
  )
