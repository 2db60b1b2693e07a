import { cancelBatchOverHttp, cancelOverHttp } from '../src/edge/handlers/cancel.ts'
import { routeKey, routes } from '../src/edge/http/routes.ts'
import { httpFunction } from '../src/edge/server/function.ts'

/** Cancels a run, or a batch, on the server. */
export const handler = httpFunction({
  [routeKey(routes.cancelRun)]: cancelOverHttp,
  [routeKey(routes.cancelBatch)]: cancelBatchOverHttp,
})
