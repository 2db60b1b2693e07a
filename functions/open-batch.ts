import { type ForwardedEvent, openBatch } from '../src/edge/handlers/open-batch.ts'
import { eventFunction } from '../src/edge/server/function.ts'

/** Writes a batch down, for the function `start-batch`. */
export const handler = eventFunction<ForwardedEvent, unknown>(openBatch)
