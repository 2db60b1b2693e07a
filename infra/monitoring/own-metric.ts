import { Duration } from 'aws-cdk-lib'
import { Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch'
import { metricDimensions, metricNamespace, perViewDimensions } from '../../src/api/lambda/metrics/names.ts'

/** The period of graphs, and of alarms about what other services than the monitor publish. */
export const metricPeriod = Duration.minutes(5)

/** A metric of the monitor, with the dimensions of `publish.ts`; of one view, if it is named. */
export const ownMetric = (
  environmentName: string,
  metricName: string,
  statistic: string,
  options: MetricOptions = {},
  view?: string,
): Metric =>
  new Metric({
    statistic,
    period: metricPeriod,
    ...options,
    namespace: metricNamespace,
    metricName,
    dimensionsMap:
      view === undefined ? metricDimensions(environmentName) : perViewDimensions(environmentName, view),
  })
