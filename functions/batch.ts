import type { Context } from 'aws-lambda'
import * as z from 'zod/mini'
import { type Configuration, readConfiguration } from '../src/api/lambda/configuration.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import { answeredWithin, endOfWork } from '../src/api/lambda/lifetime.ts'
import type { ForwardedEvent } from '../src/api/lambda/open-batch.ts'
import { batchId as id, validate } from '../src/api/request-fields.ts'
import type { Advanced } from '../src/batch/advance.ts'

/** start-batch waits no longer until a batch is recorded. */
const openingMs = 26_500

/** Advancing ends this long before Lambda ends the function, so that the function can still answer. */
const reserveMs = 60_000

const advanceEvent = z.strictObject({ batchId: id, leaveWhenIdle: z.optional(z.boolean()) })

/** Records a batch, for the function `start-batch` and for the state machine, which has it advanced until it is done. */
export const handler = eventFunction<ForwardedEvent | { batchId: unknown }, unknown>(
  async (event, context) => {
    if ('batchId' in event) return advanceBatch(event, context, readConfiguration())
    const { openBatch } = await import('../src/api/lambda/open-batch.ts')
    return answeredWithin(openingMs, () => openBatch(event, readConfiguration()))
  },
)

/** Advances a batch for as long as the function lives. It throws only errors that may pass by themselves. */
async function advanceBatch(
  event: unknown,
  context: Context,
  { database }: Configuration,
): Promise<Advanced> {
  const { batchId, leaveWhenIdle } = validate(advanceEvent, event, 'event')
  const { advance } = await import('../src/batch/advance.ts')
  return advance(batchId, { database, until: endOfWork(context, reserveMs), leaveWhenIdle })
}
