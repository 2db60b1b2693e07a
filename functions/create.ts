import { operationFunction } from '../src/api/lambda/operation.ts'
import { createView } from '../src/api/routes/define.ts'

/** Creates one view from its definition, for the HTTP route, and for a schedule of your own. */
export const handler = operationFunction(createView)
