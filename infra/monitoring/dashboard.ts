import { Duration, Stack } from 'aws-cdk-lib'
import {
  Dashboard as CloudWatchDashboard,
  Color,
  GraphWidget,
  type IMetric,
  type IWidget,
  LogQueryVisualizationType,
  LogQueryWidget,
  Stats,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch'
import type { ILogGroup } from 'aws-cdk-lib/aws-logs'
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import type { FunctionName } from '../../src/api/functions.ts'
import { metricNames } from '../../src/api/lambda/aws-names.ts'
import { docsOf } from '../../src/words/problem.ts'
import type { ViewkeeperFunction } from '../functions/viewkeeper-function.ts'
import { ownMetric } from './alarms.ts'

/** A query of the monitor's log, which has a line for every run and every batch that has ended. */
interface Insight {
  title: string
  /** The stages of the query, in the language of CloudWatch Logs Insights. */
  query: string[]
}

const ended = 'filter message = "run ended"'

/** Each is a panel of the dashboard. */
export const insights = {
  durations: {
    title: 'Duration of each view, milliseconds',
    query: [
      `${ended} and status = "success" and operation = "refresh"`,
      'stats max(durationMs) by view, bin(1h)',
    ],
  },
  lastStatus: {
    title: 'Last status of each view',
    query: [
      ended,
      'stats latest(status) as lastStatus, latest(finishedAt) as at, latest(strategy) as lastStrategy, latest(runId) as lastRun by view',
      'sort at asc',
    ],
  },
  staleness: {
    title: 'Last success of each view, oldest first',
    query: [
      `${ended} and ispresent(fresh)`,
      'stats latest(finishedAt) as lastSuccess by view',
      'sort lastSuccess asc',
    ],
  },
  rowCounts: {
    title: 'Rows of each view',
    query: [
      `${ended} and ispresent(rowCountAfter)`,
      'stats latest(rowCountBefore) as before, latest(rowCountAfter) as after, latest(finishedAt) as at by view',
      'sort view asc',
    ],
  },
  failures: {
    title: 'Last failures',
    query: [
      `${ended} and status = "failed"`,
      'fields @timestamp, view, class, problem, sqlstate, runId, batchId',
      'sort @timestamp desc',
      'limit 50',
    ],
  },
  slow: {
    title: 'Slow refreshes',
    query: [
      `${ended} and ispresent(slow)`,
      'fields @timestamp, view, durationMs, usualMs, runId',
      'sort @timestamp desc',
      'limit 50',
    ],
  },
  stale: {
    title: 'Stale views at each call of the monitor',
    query: [
      'filter message = "views are stale"',
      'fields @timestamp, count, views.0.view, views.0.ageSeconds, views.1.view, views.2.view',
      'sort @timestamp desc',
      'limit 50',
    ],
  },
  batches: {
    title: 'Last batches',
    query: [
      'filter message = "batch ended"',
      'fields @timestamp, status, trigger, durationMs, class, problem, batchId',
      'sort @timestamp desc',
      'limit 50',
    ],
  },
} as const satisfies Record<string, Insight>

interface DashboardProps {
  environmentName: string
  physicalName: string
  functions: Record<FunctionName, ViewkeeperFunction>
  machine: IStateMachine
}

const wholeWidth = 24
const half = wholeWidth / 2
const height = 7

/**
 * One page for one environment. The panels about views read the monitor's log lines, so that no view costs a
 * metric. Beyond the account's first three, a dashboard costs about 3 USD a month; each showing costs the
 * panels' Logs Insights queries.
 */
export class Dashboard extends Construct {
  readonly name: string

  constructor(scope: Construct, id: string, props: DashboardProps) {
    super(scope, id)
    const { environmentName, physicalName, functions, machine } = props
    const { logGroup } = functions.monitor
    const dashboard = new CloudWatchDashboard(this, 'Dashboard', {
      // A dashboard is of all regions.
      dashboardName: `viewkeeper-${physicalName}-${Stack.of(this).region}`,
      defaultInterval: Duration.days(7),
    })
    dashboard.addWidgets(
      new TextWidget({
        width: wholeWidth,
        height: 2,
        markdown: `# Viewkeeper ${environmentName}\nThe panels about views read the log of the monitor, for the time range of the dashboard. What to do about an alarm: its mail says it, and \`${docsOf('runbook.md')}\``,
      }),
    )
    dashboard.addWidgets(this.runs(environmentName), this.batches(machine))
    dashboard.addWidgets(this.views(environmentName), this.functionErrors(functions))
    const panel = (insight: Insight, view?: LogQueryVisualizationType) => logPanel(logGroup, insight, view)
    // Bars are the only chart that AWS documents for a query that groups by time and by another field.
    dashboard.addWidgets(panel(insights.durations, LogQueryVisualizationType.BAR), panel(insights.rowCounts))
    dashboard.addWidgets(panel(insights.lastStatus), panel(insights.staleness))
    dashboard.addWidgets(panel(insights.failures), panel(insights.slow))
    dashboard.addWidgets(panel(insights.stale), panel(insights.batches))
    this.name = dashboard.dashboardName
  }

  private runs(environmentName: string): IWidget {
    const metric = (name: string, color: string) => ownMetric(environmentName, name, Stats.SUM, { color })
    return graph('Runs that ended', [
      metric(metricNames.runsSucceeded, Color.GREEN),
      metric(metricNames.runsFailed, Color.RED),
      metric(metricNames.runsSlow, Color.ORANGE),
    ])
  }

  /** Everything that the monitor publishes as bad news, but the runs. */
  private views(environmentName: string): IWidget {
    const colors = [Color.BROWN, Color.RED, Color.ORANGE, Color.BLUE, Color.PURPLE, Color.PINK, Color.GREY]
    const bad = Object.values(metricNames).filter((name) => !name.startsWith('Runs'))
    return graph(
      'Views with incidents',
      bad.map((name, at) =>
        ownMetric(environmentName, name, Stats.MAXIMUM, { color: colors[at % colors.length]! }),
      ),
    )
  }

  private batches(machine: IStateMachine): IWidget {
    return graph('Batch executions', [
      machine.metricSucceeded({ color: Color.GREEN }),
      machine.metricFailed({ color: Color.RED }),
      machine.metricTimedOut({ color: Color.ORANGE }),
      machine.metricAborted({ color: Color.GREY }),
    ])
  }

  private functionErrors(functions: Record<FunctionName, ViewkeeperFunction>): IWidget {
    return graph(
      'Errors and throttles of functions',
      Object.entries(functions).flatMap(([name, { lambda }]) => [
        lambda.metricErrors({ label: name }),
        lambda.metricThrottles({ label: `${name}, throttled` }),
      ]),
    )
  }
}

const graph = (title: string, left: IMetric[]): IWidget =>
  new GraphWidget({ title, left, width: half, height })

const logPanel = (
  logGroup: ILogGroup,
  { title, query }: Insight,
  view = LogQueryVisualizationType.TABLE,
): IWidget =>
  new LogQueryWidget({
    title,
    view,
    queryLines: [...query],
    logGroupNames: [logGroup.logGroupName],
    width: half,
    height,
  })
