import { App, Duration, Stack } from 'aws-cdk-lib'
import { Alarm, ComparisonOperator } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import { DatabaseServer, Viewkeeper } from 'viewkeeper/cdk'
import { DatabaseStack } from '../lib/database-stack.ts'

const app = new App()
const { vpc, database } = new DatabaseStack(app, 'Shop')
const stack = new Stack(app, 'ShopViews')
const views = new Viewkeeper(stack, 'Viewkeeper', {
  environmentName: 'production',
  vpc,
  database: DatabaseServer.fromInstance(database),
  databaseName: 'shop',
  // The subnets have no NAT.
  addSecretsManagerEndpoint: true,
  alarmEmails: ['data-team@example.com'],
})

// RDS grows the storage within minutes, so half an hour of shortage means that it does not.
new Alarm(stack, 'Storage', {
  metric: database.metricFreeStorageSpace({ period: Duration.minutes(5), statistic: 'Minimum' }),
  threshold: 2 * 2 ** 30,
  comparisonOperator: ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD,
  evaluationPeriods: 6,
}).addAlarmAction(new SnsAction(views.topics.mail))
