import type { Metric, MetricOptions } from 'aws-cdk-lib/aws-cloudwatch'
import type { IEventBus, OnEventOptions, Rule } from 'aws-cdk-lib/aws-events'
import type { Grant, IGrantable } from 'aws-cdk-lib/aws-iam'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import type { IConstruct } from 'constructs'

/** An environment of Viewkeeper, of this app or deployed by another one: what it can do in any app that knows it. */
export interface IViewkeeper extends IConstruct {
  /** The name of the environment. */
  readonly environmentName: string
  /** The address of the HTTP API, with a slash at its end. Refused where there is none. */
  readonly apiUrl: string
  /** The topic of the notices: what people are told, as JSON for chat and for programs. */
  readonly notices: ITopic
  /** Allows a principal of the app to read views, runs, batches and metrics over HTTP. */
  grantRead(grantee: IGrantable): Grant
  /** Allows a principal of the app to refresh views over HTTP, besides reading. */
  grantRefresh(grantee: IGrantable): Grant
  /** Allows a principal of the app to cancel, pause and resume, and to set off alarms, besides refreshing. */
  grantOperate(grantee: IGrantable): Grant
  /** Allows a principal of the app everything: also to create, drop and migrate views. */
  grantDefine(grantee: IGrantable): Grant
  /** Calls the target when a run has made the data of a view fresh; of these views only, or of every view. */
  onViewRefreshed(id: string, options?: OnViewOptions): Rule
  /** Calls the target when a run of a view has failed. */
  onViewFailed(id: string, options?: OnViewOptions): Rule
  /** Calls the target when a batch has ended, well or not. */
  onBatchEnded(id: string, options?: OnEventOptions): Rule
  /** Calls the target when the monitor finds that a view is stale, missing, suspended, unable to keep its target lag, or set aside for long. */
  onIncidentOpened(id: string, options?: OnViewOptions): Rule
  /** Calls the target when such an incident has another cause, or other kinds. */
  onIncidentChanged(id: string, options?: OnViewOptions): Rule
  /** Calls the target when the view is well again. */
  onIncidentResolved(id: string, options?: OnViewOptions): Rule
  /** Calls the target for every event of the environment. */
  onEvent(id: string, options?: OnViewOptions): Rule
  /** How many runs have succeeded; of one view (`public.sales`) with `metricsPerView`. */
  metricSuccesses(options?: MetricOptions, view?: string): Metric
  /** How many runs have failed or were lost; of one view (`public.sales`) with `metricsPerView`. */
  metricFailures(options?: MetricOptions, view?: string): Metric
  /** How long the refreshes of a view took, in milliseconds; with `metricsPerView`. */
  metricRefreshDuration(view: string, options?: MetricOptions): Metric
  /** How many refreshes took more than twice as long as usual. */
  metricSlowRuns(options?: MetricOptions): Metric
  /** How many batches nobody has advanced. */
  metricLostBatches(options?: MetricOptions): Metric
  /** How many views fail: a run has failed, and none since has made the data fresh. */
  metricFailedViews(options?: MetricOptions): Metric
  /** How many views have data older than they may be. */
  metricStaleViews(options?: MetricOptions): Metric
  /** How many authored views are not in the database. */
  metricMissingViews(options?: MetricOptions): Metric
  /** How many views are suspended: too many of their scheduled refreshes have failed in a row. */
  metricSuspendedViews(options?: MetricOptions): Metric
  /** How many views have been set aside for more than an hour. */
  metricSetAsideViews(options?: MetricOptions): Metric
}

/** Which events of views a rule takes, and what it calls for each. */
export interface OnViewOptions extends OnEventOptions {
  /**
   * The views, as SQL writes them; a name without a schema is one of `public`.
   * @default - every view
   */
  readonly views?: string[]
}

/** An environment that some app has deployed in this account and region, as its parameter has it. */
export interface ViewkeeperAttributes {
  /** The name of the environment. */
  readonly environmentName: string
  /**
   * Its prop `physicalName`.
   * @default - `environmentName`
   */
  readonly physicalName?: string
  /**
   * The address of the HTTP API, with a slash at its end.
   * @default - `apiUrl` is refused
   */
  readonly apiUrl?: string
  /**
   * The stage of the HTTP API: `arn:aws:execute-api:<region>:<account>:<api>/$default`.
   * @default - no grant but `grantDefine` allows anything, and is refused
   */
  readonly apiArn?: string
  /** The function that serves the command line, for `grantDefine`. */
  readonly migrateArn: string
  /** The topic of the mails, for `grantDefine`. */
  readonly mailTopicArn: string
  /** The topic of the notices. */
  readonly noticesTopicArn: string
  /**
   * The bus of the events.
   * @default - the default bus of the account
   */
  readonly eventBus?: IEventBus
}
