import { pruneHistory } from '../src/edge/handlers/prune.ts'
import { eventFunction } from '../src/edge/server/function.ts'

/** Every day: removes the history that is not kept. */
export const handler = eventFunction(pruneHistory)
