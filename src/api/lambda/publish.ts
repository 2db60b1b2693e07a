import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics'
import type { Batch } from '../../record/batches/batches.ts'
import { isSlow, isUnnoticedFailure } from '../../record/plan/batch.ts'
import type { EndedRun } from '../../record/watch/ended.ts'
import type { Finding } from '../../watch/plan/wrong.ts'
import type { MeasuredKind, ViewIncidentKind } from '../../words/event.ts'
import {
  metricDimensions,
  metricNames,
  metricNamespace,
  perViewDimensions,
  perViewMetricNames,
  viewsMetrics,
} from './aws-names.ts'

// Zeros are published, too. Without them an alarm could not tell "nothing failed" from "the monitor did not
// run".

export const publishRunMetrics = (environment: string, ended: EndedRun[]): void =>
  publish(metricDimensions(environment), {
    [metricNames.runsSucceeded]: ended.filter(({ status }) => status === 'success').length,
    [metricNames.runsFailed]: ended.filter(isUnnoticedFailure).length,
    [metricNames.runsSlow]: ended.filter(({ durationMs, usualMs }) => isSlow(durationMs, usualMs)).length,
  })

export const publishBatchMetrics = (environment: string, ended: Batch[]): void =>
  publish(metricDimensions(environment), {
    [metricNames.batchesLost]: ended.filter(({ error }) => error?.class === 'BatchLost').length,
  })

/** Publishes for how many seconds something has waited to be sent, at most; null: nothing waits. */
export const publishWaiting = (environment: string, seconds: number | null): void =>
  publish(metricDimensions(environment), { [metricNames.waitingSeconds]: seconds ?? 0 })

/** Publishes how many incidents are open. A pause is one that somebody wants. */
export const publishIncidents = (environment: string, incidents: Finding[]): void =>
  publish(metricDimensions(environment), {
    [metricNames.incidents]: incidents.filter(({ kind }) => kind !== 'paused').length,
  })

/** Publishes of how many views this is true now, if that has a metric. */
export function publishViews(environment: string, kind: ViewIncidentKind, views: number): void {
  if (isMeasured(kind)) publish(metricDimensions(environment), { [viewsMetrics[kind]]: views })
}

const isMeasured = (kind: ViewIncidentKind): kind is MeasuredKind => kind in viewsMetrics

/** Publishes the outcome of one run with the name of its view. Runs that neither succeeded nor failed are left out. */
export function publishPerView(environment: string, run: EndedRun): void {
  const succeeded = run.status === 'success'
  if (!succeeded && !isUnnoticedFailure(run)) return
  publish(
    perViewDimensions(environment, run.view),
    {
      [perViewMetricNames.runsSucceeded]: Number(succeeded),
      [perViewMetricNames.runsFailed]: Number(!succeeded),
    },
    succeeded && run.operation === 'refresh' ? run.durationMs : null,
  )
}

/** Writes one line of CloudWatch's embedded metric format. */
function publish(
  { service, ...dimensions }: Record<string, string>,
  counts: Record<string, number>,
  refreshMs: number | null = null,
): void {
  const metrics = new Metrics({
    namespace: metricNamespace,
    serviceName: service as string,
    defaultDimensions: dimensions,
  })
  for (const [name, count] of Object.entries(counts)) metrics.addMetric(name, MetricUnit.Count, count)
  if (refreshMs !== null)
    metrics.addMetric(perViewMetricNames.refreshDuration, MetricUnit.Milliseconds, refreshMs)
  metrics.publishStoredMetrics()
}
