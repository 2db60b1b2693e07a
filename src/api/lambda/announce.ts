import { gunzipSync } from 'node:zlib'
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import type { Context } from 'aws-lambda'
import { type Announced, type Announcing, announce } from '../../events/announce.ts'
import type { HandedOut } from '../../events/hand-out.ts'
import { eventSource } from '../../events/plan/event.ts'
import { detailOf, type WaitingEvent } from '../../events/plan/in-order.ts'
import { clientSettings } from './aws-client.ts'
import { newsOf } from './invoke.ts'
import { endOfWork } from './lifetime.ts'
import { logger } from './logger.ts'
import type { RungEvent } from './start-batch.ts'
import { dueLine, eventsLine } from './wake-lines.ts'

/** What works outside the network of the database, for the lines that functions inside log. */
export interface Announcer {
  /** Puts events on the bus of the environment. */
  announce(context: Context): Promise<Announced>
  /** Hands the line about what is due on to `start-batch`, and does not wait for it. */
  startDue(event: RungEvent): Promise<unknown>
}

/** Announcing ends this long before Lambda ends the function. */
const reserveMs = 30_000

/** What the environment variables name. The clients are kept from call to call. */
export function deployedAnnouncer(env: NodeJS.ProcessEnv = process.env): Announcer {
  const news = newsOf(env.NEWS_FUNCTION)
  const lambda = new LambdaClient(clientSettings({ requestMs: 5000, attempts: 3 }))
  const bus = new EventBridgeClient(clientSettings({ requestMs: 5000, attempts: 3 }))
  const put: Announcing['put'] = async (events) => {
    const entries = events.map((event) => entryOf(event, env))
    const { Entries = [] } = await bus.send(new PutEventsCommand({ Entries: entries }))
    return events.map((_, at) =>
      Entries[at]?.EventId === undefined ? (Entries[at]?.ErrorCode ?? 'no answer') : null,
    )
  }
  return {
    announce(context) {
      const until = endOfWork(context, reserveMs)
      return announce({ put, until, ask: (request) => news<HandedOut>(request, until) })
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

let deployed: Announcer | undefined

/** Answers CloudWatch Logs, which calls `announce` for lines that functions inside log. */
export const answerFilter = (event: RungEvent, context: Context): Promise<void> => {
  deployed ??= deployedAnnouncer()
  return answerLines(deployed, event, context)
}

/**
 * Does what the lines ask for: has what is due started, and puts what waits on the bus. If one fails, the other is done all the
 * same, and the next look of the monitor asks again.
 */
export async function answerLines(announcer: Announcer, event: RungEvent, context: Context): Promise<void> {
  const lines = linesOf(event)
  try {
    if (lines.has(dueLine.trim())) await announcer.startDue(event)
  } finally {
    if (lines.has(eventsLine.trim())) await announceEvents(announcer, context)
  }
}

/** The lines that the filter has found; CloudWatch Logs packs them. */
function linesOf({ awslogs }: RungEvent): Set<string> {
  const { logEvents } = JSON.parse(gunzipSync(Buffer.from(awslogs.data, 'base64')).toString()) as {
    logEvents: { message: string }[]
  }
  return new Set(logEvents.map(({ message }) => message.trim()))
}

/** Puts what waits on the bus. Throws if the bus has refused an event, so that Lambda counts it: the alarm *announce-errors*. */
async function announceEvents(announcer: Announcer, context: Context): Promise<void> {
  const announced = await announcer.announce(context)
  logger.info('events', { ...announced })
  if (announced.refused !== null)
    throw new Error(`The bus has refused an event (${announced.refused}); what it has not taken waits.`)
}

const entryOf = (event: WaitingEvent, env: NodeJS.ProcessEnv) => ({
  EventBusName: env.EVENT_BUS,
  Source: eventSource,
  DetailType: event.type,
  Time: new Date(event.at),
  Detail: JSON.stringify(detailOf(event, env.VIEWKEEPER_ENVIRONMENT)),
})
