import { Duration } from 'aws-cdk-lib'
import { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { metricDimensions, metricNamespace } from '../../src/edge/metrics/names.ts'

/** What alarms and graphs count by. */
export const metricPeriod = Duration.minutes(5)

/** One of the metrics that the monitor publishes, with the dimensions it publishes them with. */
export const ownMetric = (
  environmentName: string,
  metricName: string,
  statistic: string,
  color?: string,
): Metric =>
  new Metric({
    namespace: metricNamespace,
    metricName,
    dimensionsMap: metricDimensions(environmentName),
    statistic,
    period: metricPeriod,
    ...(color === undefined ? {} : { color }),
  })
