import { Stack } from 'aws-cdk-lib'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { type ITopic, Topic, type TopicProps } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { Construct } from 'constructs'

/** The topics that people and their programs listen to. */
export interface PeopleTopics {
  /** Mails for people: messages of `send`, and the alarms that no message tells of, as CloudWatch writes them. */
  readonly mail: ITopic
  /** The same as JSON, for chat and for programs. */
  readonly notices: ITopic
}

/** Where an alarm is published. */
export interface AlarmTopics extends PeopleTopics {
  /** Every alarm of the environment, and the one about incidents, which the monitor mails by itself. */
  readonly pager?: ITopic | undefined
}

export interface TopicsProps {
  environmentName: string
  physicalName: string
  /** Addresses that get the mails after they have confirmed. */
  emails: string[]
  /** The topics for people. Default: new ones. */
  people: PeopleTopics | undefined
  pager: ITopic | undefined
}

/** The topics of people and their programs, and the one of their pager. */
export class Topics extends Construct implements AlarmTopics {
  readonly pager: ITopic | undefined
  readonly mail: ITopic
  readonly notices: ITopic

  constructor(
    scope: Construct,
    id: string,
    { environmentName, physicalName, emails, people, pager }: TopicsProps,
  ) {
    super(scope, id)
    const add = (name: string) =>
      alarmTopic(this, name, {
        topicName: `viewkeeper-${physicalName}-${name}`,
        displayName: `Viewkeeper ${environmentName}`,
      })
    this.pager = pager
    this.mail = people?.mail ?? add('mail')
    this.notices = people?.notices ?? add('notices')
    for (const email of emails) this.mail.addSubscription(new EmailSubscription(email))
  }
}

/**
 * A topic to which CloudWatch may publish. It is not encrypted unless the app has a key for it: with the key that AWS
 * manages, SNS would drop the alarms silently, and the texts hold no data that need a key.
 */
function alarmTopic(scope: Construct, id: string, props: TopicProps): Topic {
  const topic = new Topic(scope, id, { ...props, enforceSSL: true })
  // enforceSSL drops the topic's default policy, which would let alarms publish.
  topic.addToResourcePolicy(
    new PolicyStatement({
      sid: 'AlarmsPublish',
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(topic).account } },
    }),
  )
  return topic
}
