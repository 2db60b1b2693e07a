import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics'
import type { Run } from '../db/runs.ts'
import { monitor } from '../operations/monitor.ts'
import { logger } from './function.ts'
import { metricDimensions, metricNames, metricNamespace } from './metric-names.ts'
import { databaseFromEnvironment } from './settings.ts'

/** The monitor's minute: closes lost runs, and tells of every run that has ended, in the log and as metrics. */
export async function watch(): Promise<{ lost: number; published: number }> {
  const { service, ...dimensions } = metricDimensions(process.env.VIEWKEEPER_ENVIRONMENT ?? 'local')
  const metrics = new Metrics({
    namespace: metricNamespace,
    serviceName: service as string,
    defaultDimensions: dimensions,
  })
  // Zeros too: an alarm that sees data knows that nothing failed, rather than that nobody looked.
  for (const name of Object.values(metricNames)) metrics.addMetric(name, MetricUnit.Count, 0)
  try {
    return await monitor(databaseFromEnvironment(), (run) => publish(run, metrics))
  } finally {
    metrics.publishStoredMetrics()
  }
}

function publish(run: Run, metrics: Metrics): void {
  const failed = run.status === 'failed'
  logger[failed ? 'error' : 'info']('run ended', {
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
  if (run.status === 'success') metrics.addMetric(metricNames.runsSucceeded, MetricUnit.Count, 1)
  if (failed) metrics.addMetric(metricNames.runsFailed, MetricUnit.Count, 1)
  if (run.error?.class === 'RunLost') metrics.addMetric(metricNames.runsLost, MetricUnit.Count, 1)
}
