import type { MeasuredKind } from '../../words/event.ts'
import type { PolicyName } from '../route.ts'

export const metricNamespace = 'Viewkeeper'

/**
 * The metrics that each call of the monitor publishes. Their number is fixed, so that the bill stays small. `Runs…` and
 * `Batches…` count what has ended since the last look, `Views…` and `Incidents` what is so at this look; `WaitingSeconds` is the age of the oldest message or
 * event that is not sent.
 */
export const metricNames = {
  runsSucceeded: 'RunsSucceeded',
  runsFailed: 'RunsFailed',
  runsSlow: 'RunsSlow',
  viewsFailed: 'ViewsFailed',
  viewsStale: 'ViewsStale',
  viewsMissing: 'ViewsMissing',
  viewsLagMissed: 'ViewsLagMissed',
  viewsSuspended: 'ViewsSuspended',
  viewsSetAside: 'ViewsSetAside',
  incidents: 'Incidents',
  batchesLost: 'BatchesLost',
  waitingSeconds: 'WaitingSeconds',
} as const

/** The metric of how many views have an incident of a kind. */
export const viewsMetrics = {
  failing: metricNames.viewsFailed,
  stale: metricNames.viewsStale,
  missing: metricNames.viewsMissing,
  lag: metricNames.viewsLagMissed,
  suspended: metricNames.viewsSuspended,
  aside: metricNames.viewsSetAside,
} as const satisfies Record<MeasuredKind, string>

/**
 * With `metricsPerView`, each run that has ended is also published as these metrics, with its view as one
 * more dimension.
 */
export const perViewMetricNames = {
  runsSucceeded: metricNames.runsSucceeded,
  runsFailed: metricNames.runsFailed,
  refreshDuration: 'RefreshDuration',
} as const

/** The dimensions of every metric. An alarm has to name exactly these dimensions. */
export const metricDimensions = (environment: string): Record<string, string> => ({
  service: 'viewkeeper',
  environment,
})

/**
 * The dimensions of a view's metrics, with its name as SQL writes it. CloudWatch takes only ASCII: other
 * characters are percent-encoded.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html
 */
export const perViewDimensions = (environment: string, view: string): Record<string, string> => ({
  ...metricDimensions(environment),
  view: view.replace(/[^\x20-\x7e]+/g, encodeURIComponent),
})

/** The parameter of SSM by which the command line finds an environment. */
export const parameterName = (environment: string): string => `/viewkeeper/${environment}`

/** What the parameter says, in this order: a list with commas, as CloudFormation reads it. What does not exist is `none`. */
export const addressKeys = [
  /** The address of the HTTP API, with a slash at its end. */
  'apiUrl',
  /** What another CDK app needs to grant rights: the ARN of the API's stage, and of the function that serves the command line. */
  'apiArn',
  'migrateArn',
  /** The topic of the mails. */
  'mailTopicArn',
  /** The topic of the notices. */
  'noticesTopicArn',
  /** The name or the ARN of the bus that gets the events. */
  'eventBus',
  /** What the names of its alarms and policies have in the place of the environment's name. */
  'physicalName',
] as const

/** A managed policy of an environment. A name of IAM holds in all regions, so it says which one. */
export const policyName = (physicalName: string, policy: PolicyName, region: string): string =>
  `viewkeeper-${physicalName}-${policy}-${region}`

export type Address = Record<(typeof addressKeys)[number], string>
