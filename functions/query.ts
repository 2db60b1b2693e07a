import { reading } from '../src/edge/handlers/query.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { httpFunction } from '../src/edge/lambda/function.ts'

/** Answers every route that reads. */
export const handler = httpFunction(readConfiguration, reading)
