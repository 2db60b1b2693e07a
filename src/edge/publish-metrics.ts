import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics'
import type { EndedRun } from '../db/publish.ts'
import type { Monitored } from '../operations/monitor.ts'
import { isSlow } from '../plan/staleness.ts'
import {
  metricDimensions,
  metricNames,
  metricNamespace,
  perViewDimensions,
  perViewMetricNames,
} from './metric-names.ts'

/** What everything came to. Zeros are published too: an alarm that sees data knows that nothing failed, rather than that nobody looked. */
export function publishMetrics(environment: string, ended: EndedRun[], { stale, lostBatches }: Monitored) {
  const metrics = open(metricDimensions(environment))
  const count = (name: string, which: (run: EndedRun) => boolean) =>
    metrics.addMetric(name, MetricUnit.Count, ended.filter(which).length)
  count(metricNames.runsSucceeded, ({ status }) => status === 'success')
  count(metricNames.runsFailed, ({ status }) => status === 'failed')
  count(metricNames.runsLost, ({ error }) => error?.class === 'RunLost')
  count(metricNames.runsSlow, ({ durationMs, usualMs }) => isSlow(durationMs, usualMs))
  metrics.addMetric(metricNames.batchesLost, MetricUnit.Count, lostBatches)
  metrics.addMetric(metricNames.viewsStale, MetricUnit.Count, stale.length)
  metrics.publishStoredMetrics()
}

/** The same of one run, under its view's name; nothing of one that was skipped or canceled. */
export function publishRunMetrics(environment: string, run: EndedRun) {
  const succeeded = run.status === 'success'
  if (!succeeded && run.status !== 'failed') return
  const metrics = open(perViewDimensions(environment, run.view))
  metrics.addMetric(perViewMetricNames.runsSucceeded, MetricUnit.Count, Number(succeeded))
  metrics.addMetric(perViewMetricNames.runsFailed, MetricUnit.Count, Number(!succeeded))
  if (succeeded && run.operation === 'refresh' && run.durationMs !== null)
    metrics.addMetric(perViewMetricNames.refreshDuration, MetricUnit.Milliseconds, run.durationMs)
  metrics.publishStoredMetrics()
}

function open({ service, ...dimensions }: Record<string, string>): Metrics {
  return new Metrics({
    namespace: metricNamespace,
    serviceName: service as string,
    defaultDimensions: dimensions,
  })
}
