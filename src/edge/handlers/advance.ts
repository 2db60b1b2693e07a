import type { Context } from 'aws-lambda'
import * as z from 'zod'
import { type Advanced, advance } from '../../operations/batches/advance.ts'
import { batchPath } from '../http/schemas.ts'
import { validate } from '../http/validate.ts'
import type { Configuration } from '../lambda/configuration.ts'
import { logger } from '../lambda/function.ts'

/** Advancing ends this long before Lambda ends the function, so that the function can still answer. */
const reserveMs = 60_000

const advanceEvent = z.strictObject({ batchId: batchPath.shape.id })

/** Advances a batch for as long as the function lives. It throws only errors that may pass by themselves. */
export async function advanceBatch(
  event: unknown,
  context: Context,
  { database, runsAtOnce }: Pick<Configuration, 'database' | 'runsAtOnce'>,
): Promise<Advanced> {
  const { batchId } = validate(advanceEvent, event, 'event')
  const advanced = await advance(batchId, {
    database,
    until: Date.now() + context.getRemainingTimeInMillis() - reserveMs,
    mostAtOnce: runsAtOnce,
  })
  logger.info(advanced.done ? `batch ${advanced.status}` : 'batch goes on', { ...advanced })
  return advanced
}
