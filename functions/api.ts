import { canceling } from '../src/api/lambda/cancel.ts'
import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { httpFunction } from '../src/api/lambda/function.ts'
import { pausing } from '../src/api/lambda/pause.ts'
import { reading } from '../src/api/lambda/query.ts'

/** Answers every route but those of operations and of new batches: it reads, cancels, pauses and resumes. */
export const handler = httpFunction<'api'>(readConfiguration, { ...reading, ...canceling, ...pausing })
