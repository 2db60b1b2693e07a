import { eventFunction } from '../src/api/lambda/function.ts'
import type { RungEvent } from '../src/api/lambda/start-batch.ts'

/**
 * Sends what waits to people and programs, and has `start-batch` start what is due. It is outside the network of the database, and
 * asks `news`. CloudWatch Logs calls it for the lines that functions inside log.
 */
export const handler = eventFunction(async (event: RungEvent, context) => {
  const { answerFilter } = await import('../src/api/lambda/send.ts')
  return answerFilter(event, context)
})
