import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import { endOfWork } from '../src/api/lambda/lifetime.ts'
import { removeHistory } from '../src/keeper/jobs.ts'

/** Every day: removes old history. */
export const handler = eventFunction((_event, context) =>
  removeHistory(readConfiguration(), endOfWork(context, 15_000)),
)
