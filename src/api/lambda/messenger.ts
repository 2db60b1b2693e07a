import { LambdaClient } from '@aws-sdk/client-lambda'
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns'
import { clientSettings } from './aws-client.ts'
import { invokeFunction } from './invoke.ts'
import type { Messenger } from './notify.ts'

/** What `notify` is told by environment variables. */
export interface MessengerNames {
  newsFunction: string | undefined
  mailTopicArn: string | undefined
  noticesTopicArn: string | undefined
}

export const readMessenger = (env: NodeJS.ProcessEnv = process.env): MessengerNames => ({
  newsFunction: env.NEWS_FUNCTION,
  mailTopicArn: env.MAIL_TOPIC_ARN,
  noticesTopicArn: env.NOTICES_TOPIC_ARN,
})

/** `notify` runs outside the network of the database, so that this network needs no endpoint for SNS and Lambda. */
export function deployedMessenger({
  newsFunction,
  mailTopicArn,
  noticesTopicArn,
}: MessengerNames): Messenger {
  // news answers within 29 s.
  const lambda = new LambdaClient(clientSettings({ requestMs: 35_000, attempts: 2 }))
  const sns = new SNSClient(clientSettings({ requestMs: 5000, attempts: 3 }))
  return {
    ask: (question, until) => invokeFunction(lambda, newsFunction, question, { tryUntil: until, until }),
    async publish({ subject, text, chat }) {
      // If this threw, people would get the mail again at each retry.
      const lacking = await sns
        .send(new PublishCommand({ TopicArn: noticesTopicArn, Message: JSON.stringify(chat) }))
        .then(() => '')
        .catch(({ name }: Error) => `\nThis notice could not be published to ${noticesTopicArn} (${name}).\n`)
      await sns.send(
        new PublishCommand({ TopicArn: mailTopicArn, Subject: subject, Message: text + lacking }),
      )
    },
  }
}
