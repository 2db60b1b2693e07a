import type { Context } from 'aws-lambda'
import * as z from 'zod/mini'
import { type Advanced, advance } from '../../batch/advance.ts'
import { batchId as id, validate } from '../fields.ts'
import type { Configuration } from './configuration.ts'
import { endOfWork } from './lifetime.ts'

/** Advancing ends this long before Lambda ends the function, so that the function can still answer. */
const reserveMs = 60_000

const advanceEvent = z.strictObject({ batchId: id, leaveWhenIdle: z.optional(z.boolean()) })

/** Advances a batch for as long as the function lives. It throws only errors that may pass by themselves. */
export async function advanceBatch(
  event: unknown,
  context: Context,
  { database, onEnd }: Pick<Configuration, 'database'> & Partial<Pick<Configuration, 'onEnd'>>,
): Promise<Advanced> {
  const { batchId, leaveWhenIdle } = validate(advanceEvent, event, 'event')
  const advanced = await advance(batchId, {
    database,
    until: endOfWork(context, reserveMs),
    leaveWhenIdle,
    onRunEnd: onEnd,
  })
  if (advanced.done) onEnd?.()
  return advanced
}
