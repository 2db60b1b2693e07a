import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics'
import type { Run } from '../db/runs.ts'
import { monitor } from '../operations/monitor.ts'
import { logger } from './function.ts'
import { metricDimensions, metricNames, metricNamespace } from './metric-names.ts'
import { databaseFromEnvironment } from './settings.ts'

/** The monitor's minute: closes lost runs, and tells of every run that has ended, in the log and as metrics. */
export async function watch(): Promise<{ lost: number; published: number }> {
  const ended: Run[] = []
  const report = await monitor(databaseFromEnvironment(), (run) => {
    logEnded(run)
    ended.push(run)
  })
  publishMetrics(ended)
  return report
}

function logEnded(run: Run): void {
  logger[run.status === 'failed' ? 'error' : 'info']('run ended', {
    runId: run.id,
    view: run.view,
    operation: run.operation,
    trigger: run.trigger,
    status: run.status,
    strategy: run.meta.response.strategy,
    durationMs: run.durationMs,
    rowCountBefore: run.rowCountBefore,
    rowCountAfter: run.rowCountAfter,
    ...(run.error === null ? {} : { class: run.error.class, sqlstate: run.error.sqlstate }),
  })
}

/** Zeros are published too: an alarm that sees data knows that nothing failed, rather than that nobody looked. */
function publishMetrics(ended: Run[]): void {
  const { service, ...dimensions } = metricDimensions(process.env.VIEWKEEPER_ENVIRONMENT ?? 'local')
  const metrics = new Metrics({
    namespace: metricNamespace,
    serviceName: service as string,
    defaultDimensions: dimensions,
  })
  const count = (name: string, which: (run: Run) => boolean) =>
    metrics.addMetric(name, MetricUnit.Count, ended.filter(which).length)
  count(metricNames.runsSucceeded, ({ status }) => status === 'success')
  count(metricNames.runsFailed, ({ status }) => status === 'failed')
  count(metricNames.runsLost, ({ error }) => error?.class === 'RunLost')
  metrics.publishStoredMetrics()
}
