import { type EventType, eventSource } from './event.ts'

/** An event for programs that waits for the bus, or a message for people. */
export interface WaitingEvent {
  sequence: number
  id: string
  type: EventType | 'Message'
  subject: string
  at: string
  detail: Record<string, unknown>
}

/** What programs are told: the event with its number, as the bus delivers it. */
export const detailOf = (
  { type, id, sequence, at, detail }: Omit<WaitingEvent, 'subject'>,
  environment: string | undefined,
) => ({ type, id, sequence, environment, at, ...detail })

/** The bus takes so many events at once. */
const mostAtOnce = 10

/**
 * The next events to put at once: at most ten, in their order, up to the second one of a subject. If the bus refuses one of
 * them, nothing later of its subject is on the bus already. `held` are subjects of which the bus has refused an event. Pure.
 */
export function nextToPut<Event extends Pick<WaitingEvent, 'subject'>>(
  waiting: readonly Event[],
  held: ReadonlySet<string>,
): Event[] {
  const next = new Map<string, Event>()
  for (const event of waiting) {
    if (next.size === mostAtOnce || next.has(event.subject)) break
    if (!held.has(event.subject)) next.set(event.subject, event)
  }
  return [...next.values()]
}

/** An event in the form of CloudEvents 1.0, as JSON: https://cloudevents.io. Its `data` is the `detail` of EventBridge. */
export const cloudEventOf = (event: WaitingEvent, environment: string) => ({
  specversion: '1.0',
  id: event.id,
  source: `/${eventSource}/${environment}`,
  type: `${eventSource}.${event.type}`,
  subject: event.subject,
  time: event.at,
  datacontenttype: 'application/json',
  // An extension of CloudEvents: a text whose order is that of the events.
  sequence: String(event.sequence).padStart(16, '0'),
  data: detailOf(event, environment),
})
