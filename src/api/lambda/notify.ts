import { PublishCommand, SNSClient } from '@aws-sdk/client-sns'
import type { Context } from 'aws-lambda'
import { localEnvironment } from '../../keeper/terms.ts'
import { Problem, type ProblemCode } from '../../problem.ts'
import { readAlarm } from '../../watch/mails/alarm-words.ts'
import { chatOf } from '../../watch/mails/chat.ts'
import { asSubject, mailOf } from '../../watch/mails/mail.ts'
import { type AlarmWords, emptyNotice, type Links, type Notice } from '../../watch/plan/notice.ts'
import { clientSettings } from './aws-client.ts'
import { newsOf } from './invoke.ts'
import { endOfWork } from './lifetime.ts'
import { logger } from './logger.ts'
import type { Message, NewsQuestion, NoticeReply } from './news.ts'

/** What `notify` works with. */
export interface Messenger {
  /** Asks the function `news`. Nobody waits for the answer after `until` (epoch milliseconds). */
  ask<Answer>(question: NewsQuestion, until: number): Promise<Answer>
  /** Publishes the same as JSON and as a mail for people. Throws if the mail is not published. */
  publish(message: Message): Promise<void>
}

/** Messages of SNS, or the event of a schedule. */
interface NotifyEvent {
  Records?: { Sns: { Message: string; Subject?: string | null } }[]
}

/** What the environment variables name: `notify` is outside the network of the database, which needs no way to SNS and Lambda. */
export function deployedMessenger(env: NodeJS.ProcessEnv = process.env): Messenger {
  const sns = new SNSClient(clientSettings({ requestMs: 5000, attempts: 3 }))
  const { MAIL_TOPIC_ARN, NOTICES_TOPIC_ARN } = env
  return {
    ask: newsOf(env.NEWS_FUNCTION),
    async publish({ subject, text, chat }) {
      // If this threw, people would get the mail again at each retry.
      const lacking = await sns
        .send(new PublishCommand({ TopicArn: NOTICES_TOPIC_ARN, Message: JSON.stringify(chat) }))
        .then(() => '')
        .catch(
          ({ name }: Error) => `\nThis notice could not be published to ${NOTICES_TOPIC_ARN} (${name}).\n`,
        )
      await sns.send(
        new PublishCommand({ TopicArn: MAIL_TOPIC_ARN, Subject: subject, Message: text + lacking }),
      )
    },
  }
}

let deployed: Messenger | undefined

/** Makes mails of alarms. The clients are kept from call to call. */
export const answerAlarms = (event: NotifyEvent, context: Context): Promise<void> => {
  deployed ??= deployedMessenger()
  const { VIEWKEEPER_ENVIRONMENT: environment = localEnvironment, RUNBOOK_URL: runbookUrl } = process.env
  return notifyPeople(deployed, event, context, environment, { runbookUrl })
}

/** Publishing ends this long before Lambda ends the function. */
const reserveMs = 30_000
const pauseMs = 3000
/** The most characters of a message that is not CloudWatch's. */
const longestText = 4000

/**
 * Tells people of alarms. An alarm about views becomes what `news` says; an alarm about anything else, and every
 * alarm if `news` fails, is told in its own words. Without an alarm, called by the clock, tells what no alarm has
 * told: what `news` could not say now, it says at the next call of the clock. Throws only if nothing could be published: then Lambda calls again, and in the end the event is a dead
 * letter.
 */
export async function notifyPeople(
  messenger: Messenger,
  event: NotifyEvent,
  context: Context,
  environment: string,
  links: Links = {},
): Promise<void> {
  const now = new Date()
  const messageOf = (words: AlarmWords, lacking: string | null) =>
    ownMessage(words, emptyNotice(environment, now, links), lacking)
  const messages = (event.Records ?? []).map(({ Sns }) => ({
    Sns,
    alarm: readAlarm(Sns.Message, environment, now),
  }))
  for (const { Sns, alarm } of messages)
    if (alarm === null) await messenger.publish(messageOf(foreignWords(Sns), null))
    else if (alarm.kind === null) await messenger.publish(messageOf(alarm.words, null))

  const asking = messages.flatMap(({ Sns, alarm }) => (alarm?.kind ? [{ text: Sns.Message, alarm }] : []))
  if (asking.length === 0 && messages.length > 0) return
  const holder = context.awsRequestId
  const until = endOfWork(context, reserveMs)
  const reply = await askPatiently(messenger, { holder, messages: asking.map(({ text }) => text) }, until)
  if ('lacking' in reply) {
    logger.error('no notice', { why: reply.lacking, alarms: asking.map(({ alarm }) => alarm.words.name) })
    for (const { alarm } of asking) await messenger.publish(messageOf(alarm.words, reply.lacking))
    return
  }
  if (reply.message === null) return
  await messenger.publish(reply.message)
  await confirmTo(messenger, reply.token)
}

/** If nobody notes that people were told, they are told the same once more. */
async function confirmTo(messenger: Messenger, token: string): Promise<void> {
  const failed = (why: string) =>
    logger.warn('the notice is not noted as sent; it will be sent again', { why })
  await messenger
    .ask({ confirmed: token }, Date.now() + reserveMs / 2)
    .catch((error: Error) => failed(error.message))
}

/** What `news` fails with while its database wakes or is away. */
const passing: ProblemCode[] = ['DatabaseUnavailable', 'TooManyConnections']

/** Asks again while another sender is at it, or the database is away. `lacking`: why there is no answer. */
async function askPatiently(
  messenger: Messenger,
  question: NewsQuestion,
  until: number,
): Promise<Exclude<NoticeReply, { busy: true }> | { lacking: string }> {
  for (;;) {
    const reply = await messenger.ask<NoticeReply>(question, until).catch((error: Error) => error)
    if (!(reply instanceof Error) && !reply.busy) return reply
    const mayPass = !(reply instanceof Error) || (reply instanceof Problem && passing.includes(reply.code))
    if (!mayPass || Date.now() + pauseMs > until)
      return {
        lacking: reply instanceof Error ? reply.message : 'another notice was being sent all the time',
      }
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

/** An alarm's own words. `lacking` says why there is no more. Whatever goes wrong here, people get the plain words. */
function ownMessage(words: AlarmWords, empty: Notice, lacking: string | null): Message {
  try {
    const notice = {
      ...empty,
      kind: words.test ? ('test' as const) : ('alarm' as const),
      alarms: [words],
      lacking:
        lacking === null
          ? null
          : `Which views, and why, is not known: the function news failed (${lacking}).`,
    }
    return { ...mailOf(notice), chat: chatOf(notice) }
  } catch (error) {
    logger.error('an alarm could not be put into words', { why: (error as Error).name })
    return {
      subject: asSubject(`[${empty.environment}] ${words.name}`),
      text: words.happened,
      chat: { ...words },
    }
  }
}

/** A message that is not CloudWatch's. */
const foreignWords = ({ Message, Subject }: { Message: string; Subject?: string | null }): AlarmWords => ({
  name: Subject || 'message',
  state: 'unknown',
  happened: Message.slice(0, longestText).toWellFormed(),
  first: null,
  runbook: null,
  reason: '',
  at: null,
  test: false,
})
