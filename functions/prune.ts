import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import { pruneHistory } from '../src/api/lambda/prune.ts'

/** Every day: removes old history. */
export const handler = eventFunction((_event, context) => pruneHistory(context, readConfiguration()))
