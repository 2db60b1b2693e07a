import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics'
import type { EndedRun } from '../db/publish.ts'
import { type Monitored, monitor } from '../operations/monitor.ts'
import { isSlow } from '../plan/staleness.ts'
import { logger } from './function.ts'
import { metricDimensions, metricNames, metricNamespace } from './metric-names.ts'
import { databaseFromEnvironment, nightlyFromEnvironment } from './settings.ts'

const mostNames = 20

/**
 * The monitor's minute: closes what is lost, tells of every run that has ended, in the log and as metrics, and of the views
 * that are stale.
 */
export async function watch(): Promise<Monitored> {
  const ended: EndedRun[] = []
  const monitored = await monitor(databaseFromEnvironment(), {
    nightly: nightlyFromEnvironment(),
    publish: (run) => {
      logEnded(run)
      ended.push(run)
    },
  })
  const { stale } = monitored
  if (stale.length > 0)
    logger.warn('views are stale', { count: stale.length, views: stale.slice(0, mostNames) })
  publishMetrics(ended, monitored)
  return monitored
}

const wasSlow = ({ durationMs, usualMs }: EndedRun): boolean => isSlow(durationMs, usualMs)

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
    ...(wasSlow(run) ? { slow: true, usualMs: Math.round(run.usualMs as number) } : {}),
    ...(run.error === null
      ? {}
      : { class: run.error.class, sqlstate: run.error.sqlstate, problem: run.error.message }),
  })
}

/** Zeros are published too: an alarm that sees data knows that nothing failed, rather than that nobody looked. */
function publishMetrics(ended: EndedRun[], { stale, lostBatches }: Monitored): void {
  const { service, ...dimensions } = metricDimensions(process.env.VIEWKEEPER_ENVIRONMENT ?? 'local')
  const metrics = new Metrics({
    namespace: metricNamespace,
    serviceName: service as string,
    defaultDimensions: dimensions,
  })
  const count = (name: string, which: (run: EndedRun) => boolean) =>
    metrics.addMetric(name, MetricUnit.Count, ended.filter(which).length)
  count(metricNames.runsSucceeded, ({ status }) => status === 'success')
  count(metricNames.runsFailed, ({ status }) => status === 'failed')
  count(metricNames.runsLost, ({ error }) => error?.class === 'RunLost')
  count(metricNames.runsSlow, wasSlow)
  metrics.addMetric(metricNames.batchesLost, MetricUnit.Count, lostBatches)
  metrics.addMetric(metricNames.viewsStale, MetricUnit.Count, stale.length)
  metrics.publishStoredMetrics()
}
