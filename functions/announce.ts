import type { Announcer } from '../src/edge/handlers/announce.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

/** Its clients of AWS are larger than all the rest. They are loaded at the first call, and kept. */
let announcer: Announcer | undefined

/** Puts events on the bus. It is outside the network of the database, and asks `news`. */
export const handler = eventFunction(async (_event: object, context) => {
  const { announceEvents, deployedAnnouncer, readAnnouncer } = await import(
    '../src/edge/handlers/announce.ts'
  )
  announcer ??= deployedAnnouncer(readAnnouncer())
  return announceEvents(announcer, context)
})
