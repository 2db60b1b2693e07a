import { type ForwardedEvent, openBatch } from '../src/edge/handlers/open-batch.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

/** Records a batch, for the function `start-batch` and for the state machine. */
export const handler = eventFunction<ForwardedEvent, unknown>((event) =>
  openBatch(event, readConfiguration()),
)
