import { advanceBatch } from '../src/edge/handlers/advance.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

/** Advances a batch; the state machine calls the function until the batch is done. */
export const handler = eventFunction((event, context) => advanceBatch(event, context, readConfiguration()))
