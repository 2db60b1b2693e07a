import assert from 'node:assert/strict'
import { metricDimensions, metricNames, metricNamespace } from '../../src/edge/metric-names.ts'

/** CloudWatch reads metrics from such a line (the emulator does not); an alarm finds them by namespace and dimensions. */
export function assertMetrics(line: Record<string, unknown>): void {
  const [{ Namespace, Dimensions, Metrics }] = (line._aws as { CloudWatchMetrics: [EmbeddedMetrics] })
    .CloudWatchMetrics
  const dimensions = metricDimensions('deploy-test')
  assert.equal(Namespace, metricNamespace)
  assert.deepEqual(
    Dimensions.map((names) => names.toSorted()),
    [Object.keys(dimensions).sort()],
  )
  for (const [name, value] of Object.entries(dimensions)) assert.equal(line[name], value)
  assert.deepEqual(Metrics.map(({ Name }) => Name).sort(), Object.values(metricNames).sort())
}

interface EmbeddedMetrics {
  Namespace: string
  Dimensions: string[][]
  Metrics: { Name: string }[]
}
