import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge'
import { LambdaClient } from '@aws-sdk/client-lambda'
import type { Context } from 'aws-lambda'
import { type Announced, type Announcing, announce } from '../../events/announce.ts'
import type { HandedOut } from '../../events/hand-out.ts'
import { eventSource } from '../../events/plan/event.ts'
import { detailOf, type WaitingEvent } from '../../events/plan/in-order.ts'
import { clientSettings } from '../lambda/aws-client.ts'
import { invokeFunction } from '../lambda/invoke.ts'
import { logger } from '../lambda/logger.ts'

/** What `announce` is told by environment variables. */
export interface AnnouncerNames {
  environment: string | undefined
  newsFunction: string | undefined
  /** The name or the ARN of the bus. */
  eventBus: string | undefined
}

export const readAnnouncer = (env: NodeJS.ProcessEnv = process.env): AnnouncerNames => ({
  environment: env.VIEWKEEPER_ENVIRONMENT,
  newsFunction: env.NEWS_FUNCTION,
  eventBus: env.EVENT_BUS,
})

/** What puts events on the bus of an environment, outside the network of the database. */
export type Announcer = (context: Context) => Promise<Announced>

/** Announcing ends this long before Lambda ends the function. */
const reserveMs = 30_000

/** The clients are kept from call to call. */
export function deployedAnnouncer({ environment, newsFunction, eventBus }: AnnouncerNames): Announcer {
  // news answers within 29 s.
  const lambda = new LambdaClient(clientSettings({ requestMs: 35_000, attempts: 2 }))
  const bus = new EventBridgeClient(clientSettings({ requestMs: 5000, attempts: 3 }))
  const put: Announcing['put'] = async (events) => {
    const entries = events.map((event) => entryOf(event, environment, eventBus))
    const { Entries = [] } = await bus.send(new PutEventsCommand({ Entries: entries }))
    return events.map((_, at) =>
      Entries[at]?.EventId === undefined ? (Entries[at]?.ErrorCode ?? 'no answer') : null,
    )
  }
  return (context) => {
    const until = Date.now() + context.getRemainingTimeInMillis() - reserveMs
    return announce({
      put,
      until,
      async ask(request) {
        const { answer, threw } = await invokeFunction(lambda, newsFunction, request, {
          tryUntil: until,
          until,
        })
        if (threw) throw new Error('The function news failed; its log says why. The events wait.')
        return answer as HandedOut
      },
    })
  }
}

/** Puts what waits on the bus. Throws if the bus has refused an event, so that Lambda counts it: the alarm *announce-errors*. */
export async function announceEvents(announcer: Announcer, context: Context): Promise<Announced> {
  const announced = await announcer(context)
  logger.info('events', { ...announced })
  if (announced.refused !== null)
    throw new Error(`The bus has refused an event (${announced.refused}); what it has not taken waits.`)
  return announced
}

const entryOf = (event: WaitingEvent, environment: string | undefined, eventBus: string | undefined) => ({
  EventBusName: eventBus,
  Source: eventSource,
  DetailType: event.type,
  Time: new Date(event.at),
  Detail: JSON.stringify(detailOf(event, environment)),
})
