import { gunzipSync } from 'node:zlib'
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { PublishCommand, type PublishCommandInput, SNSClient } from '@aws-sdk/client-sns'
import type { Context } from 'aws-lambda'
import { type HandedOut, type Sending, type Sent, sendWaiting } from '../../events/hand-out.ts'
import { eventSource } from '../../events/plan/event.ts'
import { detailOf, type Message, type WaitingEvent } from '../../events/plan/news.ts'
import { clientSettings } from './aws-client.ts'
import { invokeFunction } from './invoke.ts'
import { endOfWork, logger } from './lifetime.ts'
import type { RungEvent } from './start-batch.ts'
import { dueMessage, lineOf, newsMessage } from './wake-lines.ts'

/** What works outside the network of the database, for the lines that functions inside log. */
export interface Sender {
  /** Sends what waits for people and programs. */
  send(context: Context): Promise<Sent>
  /** Hands the line about what is due on to `start-batch`, and does not wait for it. */
  startDue(event: RungEvent): Promise<unknown>
}

/** Sending ends this long before Lambda ends the function. */
const reserveMs = 30_000

/** SNS takes 256 KiB; a text is far shorter, and one that SNS never takes would hold back all that come after it. */
const longestText = 250_000

/** What the environment variables name. The clients are kept from call to call. */
export function deployedSender(env: NodeJS.ProcessEnv = process.env): Sender {
  const settings = clientSettings({ requestMs: 5000, attempts: 3 })
  const lambda = new LambdaClient(settings)
  const bus = new EventBridgeClient(settings)
  const sns = new SNSClient(settings)
  // `news` answers within 29 s.
  const news = new LambdaClient(clientSettings({ requestMs: 35_000, attempts: 2 }))

  /** Why the topic has not taken it. */
  const publish = (message: PublishCommandInput): Promise<string | null> =>
    sns
      .send(new PublishCommand(message))
      .then(() => null)
      .catch(({ name }: Error) => `${message.TopicArn}: ${name}`)

  /** Why the mail was refused: then both wait. A notice that is refused is lost: else people would get the mail again at each look. */
  async function tellPeople({ subject, text, chat }: Message, lost: string[]): Promise<string | null> {
    const Message = Buffer.from(text).subarray(0, longestText).toString()
    const mail = await publish({ TopicArn: env.MAIL_TOPIC_ARN, Subject: subject, Message })
    if (mail !== null) return mail
    const notice = await publish({ TopicArn: env.NOTICES_TOPIC_ARN, Message: JSON.stringify(chat) })
    if (notice !== null) lost.push(notice)
    return null
  }

  /** Why the bus has not taken each; without a bus there are no programs to tell. */
  async function putOnBus(events: WaitingEvent[]): Promise<(string | null)[]> {
    if (events.length === 0 || env.EVENT_BUS === 'false') return events.map(() => null)
    try {
      const command = new PutEventsCommand({ Entries: events.map((event) => entryOf(event, env)) })
      const { Entries = [] } = await bus.send(command)
      return events.map((_, at) =>
        Entries[at]?.EventId === undefined ? (Entries[at]?.ErrorCode ?? 'no answer') : null,
      )
    } catch (error) {
      return events.map(() => (error as Error).name)
    }
  }

  return {
    async send(context) {
      const until = endOfWork(context, reserveMs)
      const lost: string[] = []
      const put: Sending['put'] = (events) => {
        const programs = events.filter(({ type }) => type !== 'Message')
        const onBus = putOnBus(programs)
        return Promise.all(
          events.map(async (event) =>
            event.type === 'Message'
              ? tellPeople(event.detail as unknown as Message, lost)
              : (await onBus)[programs.indexOf(event)]!,
          ),
        )
      }
      const sent = await sendWaiting({
        put,
        until,
        ask: (request) =>
          invokeFunction<HandedOut>(news, env.NEWS_FUNCTION, request, { tryUntil: until, until }),
      })
      return { ...sent, refused: sent.refused ?? lost[0] ?? null }
    },
    startDue: (event) =>
      lambda.send(
        new InvokeCommand({
          FunctionName: env.START_BATCH_FUNCTION,
          InvocationType: 'Event',
          Payload: JSON.stringify(event),
        }),
      ),
  }
}

let deployed: Sender | undefined

/** Answers CloudWatch Logs, which calls `send` for lines that functions inside log. */
export const answerFilter = (event: RungEvent, context: Context): Promise<void> => {
  deployed ??= deployedSender()
  return answerLines(deployed, event, context)
}

/**
 * Does what the lines ask for: has what is due started, and sends what waits. If one fails, the other is done all the same, and the
 * next look of the monitor asks again.
 */
export async function answerLines(sender: Sender, event: RungEvent, context: Context): Promise<void> {
  const lines = linesOf(event)
  try {
    if (lines.has(lineOf(dueMessage).trim())) await sender.startDue(event)
  } finally {
    if (lines.has(lineOf(newsMessage).trim())) await sendAll(sender, context)
  }
}

/** The lines that the filter has found; CloudWatch Logs packs them. */
function linesOf({ awslogs }: RungEvent): Set<string> {
  const { logEvents } = JSON.parse(gunzipSync(Buffer.from(awslogs.data, 'base64')).toString()) as {
    logEvents: { message: string }[]
  }
  return new Set(logEvents.map(({ message }) => message.trim()))
}

/** Throws if anything was refused, so that Lambda counts it: the alarm *send-errors*. */
async function sendAll(sender: Sender, context: Context): Promise<void> {
  const sent = await sender.send(context)
  logger.info('sent', { ...sent })
  if (sent.refused !== null) throw new Error(`News were refused: ${sent.refused}. Mails and events wait.`)
}

const entryOf = (event: WaitingEvent, env: NodeJS.ProcessEnv) => ({
  EventBusName: env.EVENT_BUS,
  Source: eventSource,
  DetailType: event.type,
  Time: new Date(event.at),
  Detail: JSON.stringify(detailOf(event, env.VIEWKEEPER_ENVIRONMENT)),
})
