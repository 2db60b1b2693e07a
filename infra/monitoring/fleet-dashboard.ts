import { Duration } from 'aws-cdk-lib'
import { Dashboard, GraphWidget, type IWidget, Stats, TextWidget } from 'aws-cdk-lib/aws-cloudwatch'
import { Construct } from 'constructs'
import { metricNames } from '../../src/edge/metrics/names.ts'
import { ownMetric } from './own-metric.ts'

/** What the dashboard of a fleet shows. */
export interface FleetDashboardProps {
  /** The environments that the page shows, in this order: at most 500 of one account and region. */
  environmentNames: string[]
  /**
   * The name of the dashboard.
   * @default - CloudFormation makes one
   */
  dashboardName?: string
}

/** One page for many environments: what is stale or missing in each, and what failed. It needs no dashboard of theirs. */
export class FleetDashboard extends Construct {
  readonly dashboardName: string

  constructor(scope: Construct, id: string, { environmentNames, dashboardName }: FleetDashboardProps) {
    super(scope, id)
    const page = new Dashboard(this, 'Dashboard', { dashboardName, defaultInterval: Duration.days(1) })
    const graph = (title: string, metric: string, statistic: string): IWidget =>
      new GraphWidget({
        title,
        width: 12,
        height: 8,
        left: environmentNames.map((name) => ownMetric(name, metric, statistic, { label: name })),
        leftYAxis: { min: 0, showUnits: false },
      })
    page.addWidgets(
      new TextWidget({
        width: 24,
        height: 2,
        markdown: `# Viewkeeper, ${environmentNames.length} environments\n\`npx viewkeeper ls --stale --env <environment>\` names the views.`,
      }),
    )
    page.addWidgets(
      graph('Stale views', metricNames.viewsStale, Stats.MAXIMUM),
      graph('Failed runs', metricNames.runsFailed, Stats.SUM),
    )
    page.addWidgets(
      graph('Missing views', metricNames.viewsMissing, Stats.MAXIMUM),
      // The number that a look publishes last, so a line that ends is a monitor that is silent.
      graph('Looks of the monitor', metricNames.viewsSetAside, Stats.SAMPLE_COUNT),
    )
    this.dashboardName = page.dashboardName
  }
}
