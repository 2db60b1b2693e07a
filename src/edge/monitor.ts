import type { EndedRun } from '../db/publish.ts'
import { type Monitored, monitor } from '../operations/monitor.ts'
import { isSlow } from '../plan/staleness.ts'
import { logger } from './function.ts'
import { publishMetrics, publishRunMetrics } from './publish-metrics.ts'
import { databaseFromEnvironment, nightlyFromEnvironment } from './settings.ts'

const mostNames = 20

/**
 * The monitor's minute: closes what is lost, tells of every run that has ended, in the log and as metrics, and of the views
 * that are stale.
 */
export async function watch(): Promise<Monitored> {
  const environment = process.env.VIEWKEEPER_ENVIRONMENT ?? 'local'
  const ended: EndedRun[] = []
  const monitored = await monitor(databaseFromEnvironment(), {
    nightly: nightlyFromEnvironment(),
    publish: (run) => {
      logEnded(run)
      if (process.env.METRICS_PER_VIEW === 'true') publishRunMetrics(environment, run)
      ended.push(run)
    },
  })
  const { stale } = monitored
  if (stale.length > 0)
    logger.warn('views are stale', { count: stale.length, views: stale.slice(0, mostNames) })
  publishMetrics(environment, ended, monitored)
  return monitored
}

function logEnded(run: EndedRun): void {
  logger[run.status === 'failed' ? 'error' : 'info']('run ended', {
    runId: run.id,
    view: run.view,
    operation: run.operation,
    trigger: run.trigger,
    ...(run.batchId === null ? {} : { batchId: run.batchId }),
    status: run.status,
    strategy: run.meta.response.strategy,
    durationMs: run.durationMs,
    rowCountBefore: run.rowCountBefore,
    rowCountAfter: run.rowCountAfter,
    ...(isSlow(run.durationMs, run.usualMs)
      ? { slow: true, usualMs: Math.round(run.usualMs as number) }
      : {}),
    ...(run.error === null
      ? {}
      : { class: run.error.class, sqlstate: run.error.sqlstate, problem: run.error.message }),
  })
}
