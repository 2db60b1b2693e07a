import { eventFunction } from '../src/edge/function.ts'
import { type ForwardedEvent, openBatch } from '../src/edge/open-batch.ts'

/** Writes a batch down, for the function `start-batch`. */
export const handler = eventFunction<ForwardedEvent, unknown>(openBatch)
