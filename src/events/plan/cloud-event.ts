import { eventSource } from './event.ts'
import type { WaitingEvent } from './in-order.ts'
import { detailOf } from './in-order.ts'

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
