import { pruneHistory } from '../src/edge/handlers/prune.ts'
import { readConfiguration } from '../src/edge/server/configuration.ts'
import { eventFunction } from '../src/edge/server/function.ts'

/** Every day: removes the history that is older than the environment keeps it. */
export const handler = eventFunction((_event, context) => pruneHistory(context, readConfiguration()))
