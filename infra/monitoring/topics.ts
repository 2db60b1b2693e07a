import { Stack } from 'aws-cdk-lib'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Construct } from 'constructs'

export interface TopicsProps {
  environmentName: string
  /** Addresses that get the mails after they have confirmed. */
  emails: string[]
}

/**
 * The topics between an alarm and people. The topics are not encrypted with a KMS key: with the key that AWS manages,
 * SNS would drop the alarms silently, and the texts hold no data that need our own key.
 */
export class Topics extends Construct {
  /** What CloudWatch says, for the function `notify`. */
  readonly alarms: Topic
  /** Mails for people. The alarms of last resort come here directly. */
  readonly mail: Topic
  /** The same as JSON, for chat and for programs. */
  readonly notices: Topic

  constructor(scope: Construct, id: string, { environmentName, emails }: TopicsProps) {
    super(scope, id)
    const add = (name: string) => {
      const topic = new Topic(this, name, {
        topicName: `viewkeeper-${environmentName}-${name}`,
        displayName: `Viewkeeper ${environmentName}`,
        enforceSSL: true,
      })
      // enforceSSL drops the topic's default policy, which would let alarms publish.
      topic.addToResourcePolicy(
        new PolicyStatement({
          sid: 'AlarmsPublish',
          principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
          actions: ['sns:Publish'],
          resources: [topic.topicArn],
          conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
        }),
      )
      return topic
    }
    this.alarms = add('alarms')
    this.mail = add('mail')
    this.notices = add('notices')
    for (const email of emails) this.mail.addSubscription(new EmailSubscription(email))
  }
}
