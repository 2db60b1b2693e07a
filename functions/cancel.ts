import { canceling } from '../src/edge/handlers/cancel.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { httpFunction } from '../src/edge/lambda/function.ts'

/** Cancels a run or a batch on the server. */
export const handler = httpFunction(readConfiguration, canceling)
