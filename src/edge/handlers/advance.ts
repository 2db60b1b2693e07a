import type { Context } from 'aws-lambda'
import * as z from 'zod'
import { type Advanced, advance } from '../../operations/batches/advance.ts'
import { batchPath } from '../http/schemas.ts'
import { validate } from '../http/validate.ts'
import { databaseFromEnvironment } from '../server/configuration.ts'
import { logger } from '../server/function.ts'

/** Time kept back of the function's own limit, to leave in good order. */
const leaveBeforeEndMs = 60_000

const advanceEvent = z.strictObject({ batchId: batchPath.shape.id })

/** Drives a batch on for as long as the function lives. Thrown is only what may pass by itself. */
export async function advanceBatch(event: unknown, context: Context): Promise<Advanced> {
  const { batchId } = validate(advanceEvent, event, 'event')
  const advanced = await advance(batchId, {
    database: databaseFromEnvironment(),
    until: Date.now() + context.getRemainingTimeInMillis() - leaveBeforeEndMs,
    mostAtOnce: Number(process.env.BATCH_RUNS_AT_ONCE ?? Number.POSITIVE_INFINITY),
  })
  logger.info(advanced.done ? `batch ${advanced.status}` : 'batch goes on', { ...advanced })
  return advanced
}
