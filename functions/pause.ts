import { pausing } from '../src/edge/handlers/pause.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { httpFunction } from '../src/edge/lambda/function.ts'

/** Pauses and resumes one view, or everything that is scheduled, at once. */
export const handler = httpFunction(readConfiguration, pausing)
