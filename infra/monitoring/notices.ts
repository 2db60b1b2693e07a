import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda'
import { LambdaSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import type { Topics } from './topics.ts'

export interface NoticesProps {
  topics: Topics
  /** The function that makes mails of alarms. */
  notify: LambdaFunction
  /** The queue for alarms that SNS could not deliver. */
  deadLetters: IQueue
}

/** The way of an alarm to people: the topic of the alarms, `notify`, and the topics for people. */
export class Notices extends Construct {
  constructor(scope: Construct, id: string, { topics, notify, deadLetters }: NoticesProps) {
    super(scope, id)
    notify.addEnvironment('MAIL_TOPIC_ARN', topics.mail.topicArn)
    notify.addEnvironment('NOTICES_TOPIC_ARN', topics.notices.topicArn)
    // The grant of a topic of the user's own includes its key.
    for (const topic of [topics.mail, topics.notices]) topic.grantPublish(notify)
    topics.alarms.addSubscription(new LambdaSubscription(notify, { deadLetterQueue: deadLetters }))
  }
}
