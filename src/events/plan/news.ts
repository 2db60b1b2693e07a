import type { News, UntoldBatch, UntoldRun, WaitingEvent } from '../../record/plan/watch.ts'
import { type CommandTarget, command } from '../../words/commands.ts'
import {
  type BatchEnded,
  type EventOf,
  type EventType,
  eventSource,
  type ViewFailed,
  type ViewRefreshed,
} from '../../words/event.ts'

/** What a run that has ended means to programs; null: nothing, because it neither made a view fresh nor failed. */
export function newsOfRun(run: UntoldRun, typed: CommandTarget): News | null {
  const { view, batchId, operation, trigger, strategy, durationMs, finishedAt: at } = run
  const ageSeconds = run.freshBefore === null ? null : secondsBetween(run.freshBefore, at)
  const ofRun = { view, runId: run.id, batchId, operation, trigger, strategy, durationMs }
  if (run.status === 'success' && run.fills) {
    const detail: Body<ViewRefreshed> = { ...ofRun, rows: run.rows, ageSeconds }
    return { type: 'ViewRefreshed', subject: view, at, detail }
  }
  if (run.status !== 'failed' || run.error === null) return null
  const { attempt, error } = run
  const next = command(['why', view], typed)
  const detail: Body<ViewFailed> = { ...ofRun, attempt, error, ageSeconds, next }
  return { type: 'ViewFailed', subject: view, at, detail }
}

/** The end of a batch, for programs. */
export function newsOfBatch(batch: UntoldBatch, typed: CommandTarget): News {
  const { id: batchId, trigger, durationMs, error, views, finishedAt: at } = batch
  const status = batch.status as BatchEnded['status']
  const next = status === 'success' ? null : command(['batches', batchId], typed)
  const detail: Body<BatchEnded> = { batchId, status, trigger, views, durationMs, error, next }
  return { type: 'BatchEnded', subject: batchId, at, detail }
}

type Body<Event extends EventOf<EventType>> = Omit<Event, keyof EventOf<EventType>>

const secondsBetween = (from: Date, to: Date): number =>
  Math.max(0, Math.round((to.getTime() - from.getTime()) / 1000))

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
