import { advanceBatch } from '../src/edge/advance.ts'
import { eventFunction } from '../src/edge/function.ts'

/** Drives a batch on; the state machine calls it until it is done. */
export const handler = eventFunction(advanceBatch)
