import { apiRoutes } from '../src/api/api-routes.ts'
import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { httpFunction } from '../src/api/lambda/function.ts'
import { getOpenapi } from '../src/api/routes/openapi.ts'

/** Answers every route but those of operations and of new batches: it reads, cancels, pauses and resumes. */
export const handler = httpFunction(readConfiguration, { ...apiRoutes, getOpenapi })
