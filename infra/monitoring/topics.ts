import { Stack } from 'aws-cdk-lib'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda'
import { type ITopic, Topic, type TopicProps } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription, LambdaSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct, type IDependable } from 'constructs'

/** The topics that people and their programs listen to. */
export interface PeopleTopics {
  /** Mails for people. The alarms of last resort come here directly. */
  readonly mail: ITopic
  /** The same as JSON, for chat and for programs. */
  readonly notices: ITopic
}

/** Where an alarm is published. */
export interface AlarmTopics extends PeopleTopics {
  /** What CloudWatch says, for the function `notify`. Each environment has its own, because `notify` asks one database. */
  readonly alarms: ITopic
}

export interface TopicsProps {
  environmentName: string
  /** Addresses that get the mails after they have confirmed. */
  emails: string[]
  /** The topics for people. Default: new ones. */
  people: PeopleTopics | undefined
}

/** The topics between an alarm and people. */
export class Topics extends Construct implements AlarmTopics {
  readonly alarms: Topic
  readonly mail: ITopic
  readonly notices: ITopic

  constructor(scope: Construct, id: string, { environmentName, emails, people }: TopicsProps) {
    super(scope, id)
    const add = (name: string) =>
      alarmTopic(this, name, {
        topicName: `viewkeeper-${environmentName}-${name}`,
        displayName: `Viewkeeper ${environmentName}`,
      })
    this.alarms = add('alarms')
    this.mail = people?.mail ?? add('mail')
    this.notices = people?.notices ?? add('notices')
    for (const email of emails) this.mail.addSubscription(new EmailSubscription(email))
  }

  /** Has the function that makes mails of alarms called for each alarm, and lets it publish to people. */
  addNotify(notify: LambdaFunction, deadLetters: IQueue): void {
    notify.addEnvironment('MAIL_TOPIC_ARN', this.mail.topicArn)
    notify.addEnvironment('NOTICES_TOPIC_ARN', this.notices.topicArn)
    // The grant of a topic of the user's own includes its key.
    for (const topic of [this.mail, this.notices]) topic.grantPublish(notify)
    this.alarms.addSubscription(new LambdaSubscription(notify, { deadLetterQueue: deadLetters }))
  }
}

/**
 * A topic to which CloudWatch may publish. It is not encrypted unless the app has a key for it: with the key that AWS
 * manages, SNS would drop the alarms silently, and the texts hold no data that need a key.
 */
function alarmTopic(scope: Construct, id: string, props: TopicProps): Topic {
  const topic = new Topic(scope, id, { ...props, enforceSSL: true })
  // enforceSSL drops the topic's default policy, which would let alarms publish.
  letPublish(topic, 'AlarmsPublish', 'cloudwatch')
  return topic
}

/** Lets a service of AWS publish to a topic, for this account only. What publishes at once waits for the result. */
export const letPublish = (topic: ITopic, sid: string, service: string): IDependable | undefined =>
  topic.addToResourcePolicy(
    new PolicyStatement({
      sid,
      principals: [new ServicePrincipal(`${service}.amazonaws.com`)],
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(topic).account } },
    }),
  ).policyDependable
