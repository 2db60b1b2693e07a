import { Duration } from 'aws-cdk-lib'
import { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { metricDimensions, metricNamespace } from '../../src/edge/metrics/names.ts'

/** The period of graphs, and of alarms about what other services than the monitor publish. */
export const metricPeriod = Duration.minutes(5)

/** A metric of the monitor, with the dimensions of `publish.ts`. */
export const ownMetric = (
  environmentName: string,
  metricName: string,
  statistic: string,
  { color, label, period = metricPeriod }: { color?: string; label?: string; period?: Duration } = {},
): Metric =>
  new Metric({
    namespace: metricNamespace,
    metricName,
    dimensionsMap: metricDimensions(environmentName),
    statistic,
    period,
    ...(color === undefined ? {} : { color }),
    ...(label === undefined ? {} : { label }),
  })
