/** The metrics that Viewkeeper publishes: a fixed set, without a dimension per view, so that the bill stays small. */
export const metricNamespace = 'Viewkeeper'

export const metricNames = {
  runsSucceeded: 'RunsSucceeded',
  runsFailed: 'RunsFailed',
  runsLost: 'RunsLost',
  runsSlow: 'RunsSlow',
  batchesLost: 'BatchesLost',
  viewsStale: 'ViewsStale',
} as const

/** The dimensions of every metric; an alarm has to name exactly these. */
export const metricDimensions = (environment: string): Record<string, string> => ({
  service: 'viewkeeper',
  environment,
})
