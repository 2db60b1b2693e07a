import type { Batch } from '../../batch/db/batches.ts'
import { type FoundTrouble, troubleWords } from '../../events/plan/troubles.ts'
import type { EndedRun } from '../../watch/db/publish.ts'
import { type Monitored, monitor } from '../../watch/monitor.ts'
import { isSlow, isUnnoticedFailure } from '../../watch/plan/runs.ts'
import type { Configuration } from '../lambda/configuration.ts'
import { logger } from '../lambda/logger.ts'
import { wakeStartBatch } from '../lambda/wake-lines.ts'
import { publishBatchMetrics, publishPerView, publishRunMetrics, publishViews } from '../metrics/publish.ts'

/** The most views that one log line names. */
const mostNames = 20

type Environment = Pick<
  Configuration,
  'environment' | 'database' | 'schedules' | 'telling' | 'metricsPerView'
> &
  Partial<Pick<Configuration, 'tellsPrograms' | 'wakeAnnounce' | 'looks'>>

/**
 * Closes the runs and batches that are lost. Publishes every run and batch that has ended, and the views that
 * fail, are stale, missing or set aside for long, as log lines and as metrics. Has `announce` called if events wait for the bus,
 * and `start-batch` if refreshes are due.
 */
export async function monitorEnvironment({
  environment,
  database,
  schedules,
  telling,
  metricsPerView,
  tellsPrograms = true,
  wakeAnnounce,
  looks,
}: Environment): Promise<Monitored> {
  const monitored = await monitor(database, {
    programs: tellsPrograms ? { environment } : null,
    looks,
    schedules,
    telling,
    publish: {
      runs: (ended) => {
        for (const run of ended) {
          logRun(run)
          if (metricsPerView) publishPerView(environment, run)
        }
        publishRunMetrics(environment, ended)
      },
      batches: (ended) => {
        for (const batch of ended) logBatch(batch)
        publishBatchMetrics(environment, ended)
      },
      trouble: (trouble, found, told) => {
        logTrouble(`views are ${troubleWords[trouble]}`, found, told)
        publishViews(environment, trouble, found.length)
      },
    },
  })
  if (monitored.eventsWait) wakeAnnounce?.()
  if (monitored.due > 0) wakeStartBatch()
  return monitored
}

/** `told` are the names that the next notice is about. */
function logTrouble(message: string, found: FoundTrouble[], told: string[]): void {
  if (found.length === 0) return
  logger.warn(message, {
    count: found.length,
    views: found
      .slice(0, mostNames)
      .map(({ trouble: _, name, ...age }) =>
        age.maxStalenessSeconds === null ? name : { view: name, ...age },
      ),
    ...(told.length === 0 ? {} : { toldCount: told.length, told: told.slice(0, mostNames) }),
  })
}

function logRun(run: EndedRun): void {
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

function logBatch(batch: Batch): void {
  logger[batch.status === 'failed' ? 'error' : 'info']('batch ended', {
    batchId: batch.id,
    trigger: batch.trigger,
    status: batch.status,
    finishedAt: batch.finishedAt,
    durationMs: batch.elapsedMs,
    ...problem(batch.error),
  })
}

const problem = (error: { class: string; sqlstate?: string; message: string } | null) =>
  error === null ? {} : { class: error.class, sqlstate: error.sqlstate, problem: error.message }
