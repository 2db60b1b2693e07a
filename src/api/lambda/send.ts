import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import {
  GetTopicAttributesCommand,
  PublishCommand,
  type PublishCommandInput,
  SNSClient,
} from '@aws-sdk/client-sns'
import type { Context } from 'aws-lambda'
import { type HandedOut, type HandedOutNews, type HandingOut, sendWaiting } from '../../events/hand-out.ts'
import { detailOf } from '../../events/plan/news.ts'
import type { CountedTopic, Heard, Message, WaitingEvent } from '../../record/plan/watch.ts'
import type { Monitored } from '../../watch/monitor.ts'
import { unheardOf } from '../../watch/plan/silence.ts'
import { command } from '../../words/commands.ts'
import { eventSource } from '../../words/event.ts'
import { clientSettings } from './aws-client.ts'
import { invokeFunction } from './invoke.ts'
import { endOfWork, logger } from './lifetime.ts'
import type { DueEvent } from './start-batch.ts'

/** What `monitor` says of its look. */
export type Looked = Pick<Monitored, 'due' | 'waitingSeconds'>

/** What works outside the network of the database, and has `monitor` work inside. */
export interface Sender {
  /** Has the monitor look, or only measure for how long something has waited. */
  look(event: SendEvent, until: number): Promise<Looked>
  /** Sends what waits for people and programs. */
  send(until: number): Promise<HandedOutNews>
  /** Has `start-batch` start what is due, and does not wait for it. */
  startDue(): Promise<unknown>
}

/** What the schedule calls `send` with. `look` false: the environment has no monitor, and only events wait. */
export interface SendEvent {
  look: boolean
}

/** What `send` asks of `monitor`. */
export interface LookEvent extends SendEvent {
  /** Who listens to the topics, if that was counted now. */
  heard?: Heard | undefined
}

/** Sending ends this long before Lambda ends the function. */
const reserveMs = 30_000

/** SNS takes 256 KiB; a text is far shorter, and one that SNS never takes would hold back all that come after it. */
const longestText = 250_000

/** Errors of a text or an event that is taken at no later try either. */
const neverTaken = new Set<unknown>([
  'InvalidParameterException',
  'InvalidParameterValueException',
  'ValidationException',
])

/** Who listens is counted once an hour, and at each look while nobody does. */
const countEveryMs = 3_600_000

/** What people are told in place of a message that SNS never takes. */
const unreadable = (environment: string | undefined): [subject: string, text: string] => [
  `A message could not be written [${environment}]`,
  `SNS refuses the text of a message, whenever it is sent. What it was about: ${command(['ls'], environment ?? null)}\n`,
]

/** What the environment variables name. The clients are kept from call to call. */
export function deployedSender(env: NodeJS.ProcessEnv = process.env): Sender {
  const settings = clientSettings({ requestMs: 5000, attempts: 3 })
  const lambda = new LambdaClient(settings)
  const bus = new EventBridgeClient(settings)
  const sns = new SNSClient(settings)
  // A look takes a minute at most.
  const inside = new LambdaClient(clientSettings({ requestMs: 70_000, attempts: 2 }))
  const askMonitor = <Answer>(question: object, until: number) =>
    // The client sends each twice: so a monitor that is throttled is asked four times.
    invokeFunction<Answer>(inside, env.MONITOR_FUNCTION, question, {
      tryUntil: until,
      until,
      mostThrottled: 1,
    })

  /** The name of the error with which the topic has not taken it. */
  const publish = (message: PublishCommandInput): Promise<string | null> =>
    sns
      .send(new PublishCommand(message))
      .then(() => null)
      .catch(({ name }: Error) => name)

  /**
   * Why the mail was refused: then both wait. A text that SNS would never take says so in its place, or nothing after it would be told.
   * A notice that is refused is lost: else people would get the mail again at each look.
   */
  async function tellPeople({ subject, text, chat }: Message, lost: string[]): Promise<string | null> {
    const mail = (Subject: string, Message: string) =>
      publish({ TopicArn: env.MAIL_TOPIC_ARN, Subject, Message })
    const said = await mail(subject, Buffer.from(String(text)).subarray(0, longestText).toString())
    const refused = neverTaken.has(said) ? await mail(...unreadable(env.VIEWKEEPER_ENVIRONMENT)) : said
    if (refused !== null) return `${env.MAIL_TOPIC_ARN}: ${refused}`
    const notice = await publish({ TopicArn: env.NOTICES_TOPIC_ARN, Message: JSON.stringify(chat) })
    if (notice !== null) lost.push(`${env.NOTICES_TOPIC_ARN}: ${notice}`)
    return null
  }

  /** Why the bus has not taken each; without a bus there are no programs to tell. One that fits into no call delays no other subject. */
  async function putOnBus(events: WaitingEvent[]): Promise<(string | null)[]> {
    if (events.length === 0 || env.EVENT_BUS === 'false') return events.map(() => null)
    try {
      const command = new PutEventsCommand({ Entries: events.map((event) => entryOf(event, env)) })
      const { Entries = [] } = await bus.send(command)
      return events.map((_, at) =>
        Entries[at]?.EventId === undefined ? (Entries[at]?.ErrorCode ?? 'no answer') : null,
      )
    } catch (error) {
      const { name } = error as Error
      if (events.length === 1 || !neverTaken.has(name)) return events.map(() => name)
      return (await Promise.all(events.map((event) => putOnBus([event])))).flat()
    }
  }

  /** Of a topic that is gone, or whose policy does not allow it, the error; what another error is about passes. */
  const countListeners = (topic: string): Promise<CountedTopic> =>
    sns.send(new GetTopicAttributesCommand({ TopicArn: topic })).then(
      ({ Attributes }) => ({ topic, confirmed: Number(Attributes?.SubscriptionsConfirmed), error: null }),
      (error: Error & { $metadata?: { httpStatusCode?: number } }) => {
        if (![403, 404].includes(error.$metadata?.httpStatusCode ?? 0)) throw error
        return { topic, confirmed: null, error: error.name }
      },
    )

  let countAgainAt = 0
  /** Undefined if it is not yet time, or SNS does not answer: then the next look tries again. */
  async function countAll(): Promise<Heard | undefined> {
    if (Date.now() < countAgainAt) return undefined
    try {
      const topics = await Promise.all([env.MAIL_TOPIC_ARN!, env.NOTICES_TOPIC_ARN!].map(countListeners))
      return { topics, mailed: env.MAILED === 'true' }
    } catch (error) {
      logger.warn('nobody has counted who listens', { error: (error as Error).name })
      return undefined
    }
  }

  return {
    async look({ look }, until) {
      const heard = look ? await countAll() : undefined
      const looked = await askMonitor<Looked>({ look, heard } satisfies LookEvent, until)
      if (heard && unheardOf(heard, true).length === 0) countAgainAt = Date.now() + countEveryMs
      return looked
    },
    async send(until) {
      const lost: string[] = []
      const put: HandingOut['put'] = (events) => {
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
        ask: (request) => askMonitor<HandedOut>(request, until),
      })
      return { ...sent, refused: sent.refused ?? lost[0] ?? null }
    },
    startDue: () =>
      lambda.send(
        new InvokeCommand({
          FunctionName: env.START_BATCH_FUNCTION,
          InvocationType: 'Event',
          Payload: JSON.stringify({ due: true } satisfies DueEvent),
        }),
      ),
  }
}

let deployed: Sender | undefined

/** Answers the schedule. The clients are kept from call to call. */
export const answerSchedule = (event: SendEvent, context: Context): Promise<void> => {
  deployed ??= deployedSender()
  return lookAndSend(deployed, event, context)
}

/**
 * Has the monitor look, has what is due started, and sends what waits. If one fails, the others are done all the same; what a look
 * that failed would have found, the next one does.
 */
export async function lookAndSend(sender: Sender, event: SendEvent, context: Context): Promise<void> {
  const until = endOfWork(context, reserveMs)
  const failures: Error[] = []
  const attempt = <Done>(work: () => Promise<Done>) =>
    work().catch((error: Error) => {
      failures.push(error)
      return undefined
    })
  const looked = await attempt(() => sender.look(event, until))
  if (looked !== undefined && looked.due > 0) await attempt(() => sender.startDue())
  if (looked?.waitingSeconds !== null) await attempt(() => sendAll(sender, until))
  // Lambda counts it.
  if (failures.length > 0) throw failures[0]
}

/** Throws if anything was refused. */
async function sendAll(sender: Sender, until: number): Promise<void> {
  const sent = await sender.send(until)
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
