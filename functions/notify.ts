import { eventFunction } from '../src/api/lambda/function.ts'

/** Makes mails of alarms. It is outside the network of the database, and asks `news`. */
export const handler = eventFunction(async (event: object, context) => {
  const { answerAlarms } = await import('../src/api/lambda/notify.ts')
  return answerAlarms(event, context)
})
