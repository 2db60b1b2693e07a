import type { Announcer } from '../src/api/lambda/announce.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import type { RungEvent } from '../src/api/lambda/start-batch.ts'

/** Its clients of AWS are larger than all the rest. They are loaded at the first call, and kept. */
let announcer: Announcer | undefined

/**
 * Puts events on the bus, and has `start-batch` start what is due. It is outside the network of the database, and asks `news`.
 * CloudWatch Logs calls it for the lines that functions inside log.
 */
export const handler = eventFunction(async (event: RungEvent, context) => {
  const { answerLines, deployedAnnouncer, readAnnouncer } = await import('../src/api/lambda/announce.ts')
  announcer ??= deployedAnnouncer(readAnnouncer())
  await answerLines(announcer, event, context)
})
