export const metricNamespace = 'Viewkeeper'

/** The metrics that Viewkeeper publishes at every look of the monitor: a fixed set, so that the bill stays small. */
export const metricNames = {
  runsSucceeded: 'RunsSucceeded',
  runsFailed: 'RunsFailed',
  runsLost: 'RunsLost',
  runsSlow: 'RunsSlow',
  batchesLost: 'BatchesLost',
  viewsStale: 'ViewsStale',
} as const

/** What is published besides of each run that has ended, with its view as one more dimension, where it is asked for. */
export const perViewMetricNames = {
  runsSucceeded: metricNames.runsSucceeded,
  runsFailed: metricNames.runsFailed,
  refreshDuration: 'RefreshDuration',
} as const

/** The dimensions of every metric; an alarm has to name exactly these. */
export const metricDimensions = (environment: string): Record<string, string> => ({
  service: 'viewkeeper',
  environment,
})

/**
 * The same with a view's name as SQL would write it. CloudWatch takes ASCII only: other characters are percent-encoded.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html
 */
export const perViewDimensions = (environment: string, view: string): Record<string, string> => ({
  ...metricDimensions(environment),
  view: view.replace(/[^\x20-\x7e]+/g, encodeURIComponent),
})
