import { advanceBatch } from '../src/edge/handlers/advance.ts'
import { eventFunction } from '../src/edge/server/function.ts'

/** Drives a batch on; the state machine calls it until it is done. */
export const handler = eventFunction(advanceBatch)
