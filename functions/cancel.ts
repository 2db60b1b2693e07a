import { cancelBatchOverHttp, cancelOverHttp } from '../src/edge/cancel.ts'
import { httpFunction } from '../src/edge/function.ts'
import { routeKey, routes } from '../src/edge/routes.ts'

/** Cancels a run, or a batch, on the server. */
export const handler = httpFunction({
  [routeKey(routes.cancelRun)]: cancelOverHttp,
  [routeKey(routes.cancelBatch)]: cancelBatchOverHttp,
})
