import { type Metric, type MetricOptions, Stats } from 'aws-cdk-lib/aws-cloudwatch'
import type { Grant, IGrantable } from 'aws-cdk-lib/aws-iam'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import { Construct, type IConstruct } from 'constructs'
import { metricNames, perViewMetricNames } from '../src/edge/metrics/names.ts'
import { type Granted, grantPolicy } from './functions/granted.ts'
import { ownMetric } from './monitoring/own-metric.ts'

/** An environment of Viewkeeper: of this app, or deployed by another one. */
export interface IViewkeeper extends IConstruct {
  /** The name of the environment. */
  readonly environmentName: string
  /** The address of the HTTP API, with a slash at its end. */
  readonly apiUrl: string
  /** The topic of the notices: what people are told, as JSON for chat and for programs. */
  readonly notices: ITopic
  /** Allows a principal of the app to read views, runs, batches and metrics over HTTP. */
  grantRead(grantee: IGrantable): Grant
  /** Allows a principal of the app to refresh views over HTTP, besides reading. */
  grantRefresh(grantee: IGrantable): Grant
  /** Allows a principal of the app everything: also to create, drop, cancel and pause, and to use the command line. */
  grantOperate(grantee: IGrantable): Grant
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
  /** Of how many views the last run failed. */
  metricFailedViews(options?: MetricOptions): Metric
  /** How many views have data older than they may be. */
  metricStaleViews(options?: MetricOptions): Metric
  /** How many authored views are not in the database. */
  metricMissingViews(options?: MetricOptions): Metric
  /** How many views have been set aside for more than an hour. */
  metricSetAsideViews(options?: MetricOptions): Metric
}

/** What an environment can do in any app that knows it. */
export abstract class ViewkeeperBase extends Construct implements IViewkeeper {
  abstract readonly environmentName: string
  abstract readonly apiUrl: string
  abstract readonly notices: ITopic
  /** @internal */
  protected abstract readonly _granted: Granted

  grantRead(grantee: IGrantable): Grant {
    return grantPolicy('read', this._granted, grantee)
  }

  grantRefresh(grantee: IGrantable): Grant {
    return grantPolicy('refresh', this._granted, grantee)
  }

  grantOperate(grantee: IGrantable): Grant {
    return grantPolicy('operate', this._granted, grantee)
  }

  metricSuccesses(options?: MetricOptions, view?: string): Metric {
    return ownMetric(this.environmentName, metricNames.runsSucceeded, Stats.SUM, options, view)
  }

  metricFailures(options?: MetricOptions, view?: string): Metric {
    return ownMetric(this.environmentName, metricNames.runsFailed, Stats.SUM, options, view)
  }

  metricRefreshDuration(view: string, options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, perViewMetricNames.refreshDuration, Stats.AVERAGE, options, view)
  }

  metricSlowRuns(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.runsSlow, Stats.SUM, options)
  }

  metricLostBatches(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.batchesLost, Stats.SUM, options)
  }

  metricFailedViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsFailed, Stats.MAXIMUM, options)
  }

  metricStaleViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsStale, Stats.MAXIMUM, options)
  }

  metricMissingViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsMissing, Stats.MAXIMUM, options)
  }

  metricSetAsideViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsSetAside, Stats.MAXIMUM, options)
  }
}
