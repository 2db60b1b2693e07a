import { pruneHistory } from '../src/edge/handlers/prune.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

/** Every day: removes old history. */
export const handler = eventFunction((_event, context) => pruneHistory(context, readConfiguration()))
