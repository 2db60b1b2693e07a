import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { viewsMetrics } from '../../../src/api/lambda/aws-names.ts'
import {
  publishBatchMetrics,
  publishIncidents,
  publishRunMetrics,
  publishViews,
  publishWaiting,
} from '../../../src/api/lambda/publish.ts'
import { everyAlarm } from '../support/alarms.ts'

/**
 * What is in the lines that a monitor with nothing to tell writes: namespace, name and dimensions of every
 * metric.
 */
let lines: string[]
beforeEach(() => {
  lines = []
  // Makes Powertools write by the global console.
  vi.stubEnv('POWERTOOLS_DEV', 'true')
  vi.stubEnv('POWERTOOLS_METRICS_DISABLED', 'false')
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line))
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

const metric = (namespace: string, name: string, dimensions: [string, unknown][]) =>
  JSON.stringify([namespace, name, dimensions.toSorted()])

function emitted(): string[] {
  publishRunMetrics('test', [])
  publishBatchMetrics('test', [])
  publishIncidents('test', [])
  publishWaiting('test', null)
  for (const kind of Object.keys(viewsMetrics) as (keyof typeof viewsMetrics)[]) publishViews('test', kind, 0)
  return lines
    .map((line) => JSON.parse(line))
    .flatMap((line) =>
      line._aws.CloudWatchMetrics.flatMap(
        (set: { Namespace: string; Dimensions: string[][]; Metrics: { Name: string }[] }) =>
          set.Metrics.map(({ Name }) =>
            metric(
              set.Namespace,
              Name,
              (set.Dimensions[0] as string[]).map((dimension) => [dimension, line[dimension]]),
            ),
          ),
      ),
    )
}

test('each metric that an alarm looks at is written by the monitor, under that name, with those dimensions', () => {
  const watched = everyAlarm()
    .filter(({ Namespace }) => !Namespace.startsWith('AWS/'))
    .map(({ Namespace, MetricName, Dimensions }) =>
      metric(
        Namespace,
        MetricName,
        Dimensions.map(({ Name, Value }: { Name: string; Value: unknown }) => [Name, Value]),
      ),
    )
  const written = emitted()
  // Incidents, the heart-beat, and what waits; the other metrics are for graphs, and alarms of your own.
  expect(new Set(watched)).toHaveProperty('size', 3)
  expect(watched.filter((each) => !written.includes(each))).toEqual([])
})
