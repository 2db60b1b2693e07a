import assert from 'node:assert/strict'
import { metricDimensions, metricNames, metricNamespace } from '../../src/api/lambda/aws-names.ts'

/**
 * CloudWatch reads metrics from such lines (the emulator does not); an alarm finds them by namespace and
 * dimensions. Each metric has to be in one of them.
 */
export function assertMetrics(lines: Record<string, unknown>[]): void {
  const dimensions = metricDimensions('deploy-test')
  const names = new Set<string>()
  for (const line of lines) {
    const [{ Namespace, Dimensions, Metrics }] = (line._aws as { CloudWatchMetrics: [EmbeddedMetrics] })
      .CloudWatchMetrics
    assert.equal(Namespace, metricNamespace)
    assert.deepEqual(
      Dimensions.map((each) => each.toSorted()),
      [Object.keys(dimensions).sort()],
    )
    for (const [name, value] of Object.entries(dimensions)) assert.equal(line[name], value)
    for (const { Name } of Metrics) names.add(Name)
  }
  assert.deepEqual([...names].sort(), Object.values(metricNames).sort())
}

interface EmbeddedMetrics {
  Namespace: string
  Dimensions: string[][]
  Metrics: { Name: string }[]
}
