import { type App, Stack } from 'aws-cdk-lib'
import { Dashboard, GraphWidget, type Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { type IVpc, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2'
import type { IDatabaseInstance } from 'aws-cdk-lib/aws-rds'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { DatabaseServer, Viewkeeper } from 'viewkeeper/cdk'

/** An environment for each tenant, in a stack of its own. They share the network, the topics and the dashboard. */
export function addFleet(
  app: App,
  tenants: string[],
  serverIn: (stack: Stack, vpc: IVpc) => IDatabaseInstance,
): void {
  const shared = new Stack(app, 'Shared')
  const vpc = new Vpc(shared, 'Vpc', { maxAzs: 2 })
  const securityGroup = new SecurityGroup(shared, 'Functions', { vpc })
  const topics = { mail: new Topic(shared, 'Mail'), notices: new Topic(shared, 'Notices') }
  topics.mail.addSubscription(new EmailSubscription('data-team@example.com'))

  const fleet = tenants.map((tenant) => {
    const stack = new Stack(app, tenant)
    return new Viewkeeper(stack, 'Viewkeeper', {
      environmentName: tenant,
      database: DatabaseServer.fromInstance(serverIn(stack, vpc)),
      databaseName: 'shop',
      vpc,
      securityGroup,
      topics,
      dashboard: false,
    })
  })

  const graph = (title: string, metricOf: (views: Viewkeeper, label: string) => Metric) =>
    new GraphWidget({ title, width: 12, left: fleet.map((each) => metricOf(each, each.environmentName)) })
  new Dashboard(shared, 'Dashboard').addWidgets(
    graph('Stale views', (views, label) => views.metricStaleViews({ label })),
    graph('Failed runs', (views, label) => views.metricFailures({ label })),
    graph('Missing views', (views, label) => views.metricMissingViews({ label })),
    // The number that a look publishes last: a line that ends is a monitor that is silent.
    graph('Looks', (views, label) => views.metricSetAsideViews({ label, statistic: 'SampleCount' })),
  )
}
