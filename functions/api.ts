import { canceling } from '../src/edge/handlers/cancel.ts'
import { pausing } from '../src/edge/handlers/pause.ts'
import { reading } from '../src/edge/handlers/query.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { httpFunction } from '../src/edge/lambda/function.ts'

/** Answers every route but those of operations and of new batches: it reads, cancels, pauses and resumes. */
export const handler = httpFunction<'api'>(readConfiguration, { ...reading, ...canceling, ...pausing })
