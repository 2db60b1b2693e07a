import type { Batch } from '../../db/batches/batches.ts'
import type { EndedRun } from '../../db/monitoring/publish.ts'
import { type Monitored, monitor } from '../../operations/monitoring/monitor.ts'
import { isSlow } from '../../plan/monitoring/staleness.ts'
import {
  publishBatchMetrics,
  publishPerView,
  publishRunMetrics,
  publishStaleMetrics,
} from '../metrics/publish.ts'
import { databaseFromEnvironment, schedulesFromEnvironment } from '../server/configuration.ts'
import { logger } from '../server/function.ts'

const mostNames = 20

/**
 * The monitor's minute: closes what is lost, tells of every run and batch that has ended, in the log and as metrics, and of the
 * views that are stale.
 */
export function watch(): Promise<Monitored> {
  const environment = process.env.VIEWKEEPER_ENVIRONMENT ?? 'local'
  return monitor(databaseFromEnvironment(), {
    schedules: schedulesFromEnvironment(),
    publish: {
      runs: (ended) => {
        for (const run of ended) {
          logRun(run)
          if (process.env.METRICS_PER_VIEW === 'true') publishPerView(environment, run)
        }
        publishRunMetrics(environment, ended)
      },
      batches: (ended) => {
        for (const batch of ended) logBatch(batch)
        publishBatchMetrics(environment, ended)
      },
      stale: (views) => {
        if (views.length > 0)
          logger.warn('views are stale', { count: views.length, views: views.slice(0, mostNames) })
        publishStaleMetrics(environment, views)
      },
    },
  })
}

function logRun(run: EndedRun): void {
  logger[run.status === 'failed' ? 'error' : 'info']('run ended', {
    runId: run.id,
    view: run.view,
    operation: run.operation,
    trigger: run.trigger,
    ...(run.batchId === null ? {} : { batchId: run.batchId }),
    status: run.status,
    // Only where it is so: a query of Logs Insights asks whether it is present.
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
