import { eventFunction, type HttpEvent } from '../src/api/lambda/function.ts'
import type { DueEvent } from '../src/api/lambda/start-batch.ts'

/**
 * Starts a batch, for the HTTP route and for `send`. This is the only function outside the network of the
 * database that does so.
 */
export const handler = eventFunction(async (event: HttpEvent | DueEvent, context) => {
  const { answerStart } = await import('../src/api/lambda/start-batch.ts')
  return answerStart(event, context)
})
