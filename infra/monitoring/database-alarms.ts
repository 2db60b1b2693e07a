import { Annotations } from 'aws-cdk-lib'
import { ComparisonOperator, Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch'
import { CfnEventSubscription } from 'aws-cdk-lib/aws-rds'
import { Construct } from 'constructs'
import { maxConnections } from '../database/connections.ts'
import { serverIdentifier } from '../database/created-database.ts'
import type { ValidCreatedDatabase } from '../environment/database.ts'
import { addAlarm } from './alarm.ts'
import { metricPeriod as period } from './own-metric.ts'
import { type AlarmTopics, letPublish } from './topics.ts'

export interface DatabaseAlarmsProps {
  environmentName: string
  topics: AlarmTopics
  options: ValidCreatedDatabase
}

/** Below a tenth of its storage, RDS grows it. */
const leastFree = 0.1

/**
 * The part of the connections that the class allows by its nominal memory. RDS keeps a part of the memory for itself,
 * up to a quarter on the smallest class, so this is from two thirds to nine tenths of the connections that there are.
 */
const mostConnected = 0.65

/** The alarms of a created database. They stand beside the topics, and know the server by its fixed name. */
export class DatabaseAlarms extends Construct {
  private readonly props: DatabaseAlarmsProps

  constructor(scope: Construct, id: string, props: DatabaseAlarmsProps) {
    super(scope, id)
    this.props = props
    this.addStorageAlarm()
    this.addStorageMail()
    this.addConnectionsAlarm()
  }

  /** RDS grows the storage within minutes, so half an hour of shortage means that it does not. */
  private addStorageAlarm() {
    const { storageGiB, maxStorageGiB } = this.props.options
    addAlarm(this, this.props, {
      name: 'database-storage',
      metric: this.metric('FreeStorageSpace', Stats.MINIMUM),
      threshold: Math.round(storageGiB * 2 ** 30 * leastFree),
      comparison: ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD,
      periods: 6,
      lasting: true,
      mails: ['begin', 'end'],
      happened: `Less than a tenth of ${storageGiB} GiB has been free for half an hour, and RDS has not grown the storage of the database enough: it waits six hours after each growth, and stops at ${maxStorageGiB} GiB.`,
      first: `aws rds describe-events --source-type db-instance --source-identifier ${this.server} --duration 1440 shows each growth of the last day.`,
    })
  }

  /**
   * RDS alone knows how much storage the server has by now: CloudWatch has no such number. It mails when less than a tenth of that
   * is free. https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html
   */
  private addStorageMail() {
    const { mail } = this.props.topics
    const said = new CfnEventSubscription(this, 'LowStorage', {
      snsTopicArn: mail.topicArn,
      sourceType: 'db-instance',
      sourceIds: [this.server],
      eventCategories: ['low storage'],
    })
    const allowed = letPublish(mail, 'RdsPublishes', 'events.rds')
    if (allowed) said.node.addDependency(allowed)
  }

  private addConnectionsAlarm() {
    const { instanceType } = this.props.options
    const most = maxConnections(instanceType)
    if (most === undefined) {
      Annotations.of(this).addWarningV2(
        'viewkeeper:memory-of-instance-type',
        `The memory of ${instanceType} is unknown, so there is no alarm about its connections. Add the class to infra/database/connections.ts.`,
      )
      return
    }
    addAlarm(this, this.props, {
      name: 'database-connections',
      metric: this.metric('DatabaseConnections', Stats.MAXIMUM),
      threshold: Math.floor(most * mostConnected),
      mails: ['begin', 'end'],
      happened: 'Most connections of the database are taken; when all are, nobody gets in.',
      first:
        'select usename, application_name, state, count(*) from pg_stat_activity group by 1, 2, 3 shows who holds them.',
    })
  }

  private get server(): string {
    return serverIdentifier(this.props.environmentName)
  }

  private metric(metricName: string, statistic: string): Metric {
    const dimensionsMap = { DBInstanceIdentifier: this.server }
    return new Metric({ namespace: 'AWS/RDS', metricName, dimensionsMap, statistic, period })
  }
}
