import { operationFunction } from '../src/api/lambda/operation.ts'
import { dropView } from '../src/api/routes/define.ts'

/** Drops one view, for the HTTP route, and for a schedule of your own. */
export const handler = operationFunction(dropView)
