import { Stack } from 'aws-cdk-lib'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Construct } from 'constructs'

export interface AlarmTopicProps {
  environmentName: string
  /** Addresses that are mailed to once they have confirmed. */
  emails: string[]
}

/**
 * Where alarms go. Not encrypted with a key of KMS: with the one that AWS manages, alarms would be dropped without
 * a word, and the texts hold no data that would be worth a key of our own.
 */
export class AlarmTopic extends Construct {
  readonly topic: Topic

  constructor(scope: Construct, id: string, { environmentName, emails }: AlarmTopicProps) {
    super(scope, id)
    this.topic = new Topic(this, 'Topic', {
      topicName: `viewkeeper-${environmentName}-alarms`,
      displayName: `Viewkeeper ${environmentName}`,
      enforceSSL: true,
    })
    // Insisting on TLS replaces the topic's default policy, the one by which alarms may publish.
    this.topic.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsPublish',
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [this.topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    )
    for (const email of emails) this.topic.addSubscription(new EmailSubscription(email))
  }
}
