import * as z from 'zod/mini'
import { text, view } from '../fields.ts'

/** The fields of EventBridge Scheduler's event besides the options of the operation. */
export const scheduleFields = z.strictObject({
  trigger: z.literal('schedule'),
  schedule: text(1000),
  scheduledTime: z.string(),
  view,
})

/**
 * What makes events of one turn one request. If `scheduledTime` is not a valid time, Lambda's request id is used instead; Lambda
 * keeps it across retries.
 */
export function scheduleKey(schedule: string, scheduledTime: string, requestId: string): string {
  const at = Date.parse(scheduledTime)
  return `${schedule} ${Number.isNaN(at) ? requestId : new Date(at).toISOString()}`
}
