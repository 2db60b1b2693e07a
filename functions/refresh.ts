import { operationFunction } from '../src/api/lambda/operation.ts'
import { refreshView } from '../src/api/routes/refresh.ts'

/** Refreshes one view, for the HTTP route, and for a schedule of your own. */
export const handler = operationFunction(refreshView)
