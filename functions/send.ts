import { eventFunction } from '../src/api/lambda/function.ts'
import type { SendEvent } from '../src/api/lambda/send.ts'

/**
 * At each scheduled call: has `monitor` look, sends what waits to people and programs, and has `start-batch` start what is due. It is
 * outside the network of the database, which has no way to SNS, EventBridge and other functions.
 */
export const handler = eventFunction(async (event: SendEvent, context) => {
  const { answerSchedule } = await import('../src/api/lambda/send.ts')
  return answerSchedule(event, context)
})
