import { eventFunction } from '../src/edge/function.ts'
import { pruneHistory } from '../src/edge/prune.ts'

/** Every day: removes the history that is not kept. */
export const handler = eventFunction(pruneHistory)
