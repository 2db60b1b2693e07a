import { Stack } from 'aws-cdk-lib'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Construct } from 'constructs'

export interface AlarmTopicProps {
  environmentName: string
  /** Addresses that get the mails after they have confirmed. */
  emails: string[]
}

/**
 * The topic that mails the alarms. It is not encrypted with a KMS key: with the key that AWS manages, SNS
 * would drop the alarms silently, and the texts hold no data that need our own key.
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
    // enforceSSL drops the topic's default policy, which would let alarms publish.
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
