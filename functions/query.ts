import {
  answerBatch,
  answerBatches,
  answerMetrics,
  answerRun,
  answerRuns,
  answerView,
  answerViews,
} from '../src/edge/handlers/query.ts'
import { json } from '../src/edge/http/http.ts'
import { openapi } from '../src/edge/http/openapi.ts'
import { routeKey, routes } from '../src/edge/http/routes.ts'
import { httpFunction } from '../src/edge/server/function.ts'

/** Answers everything that only reads. */
export const handler = httpFunction({
  [routeKey(routes.listViews)]: answerViews,
  [routeKey(routes.getView)]: answerView,
  [routeKey(routes.listRuns)]: answerRuns,
  [routeKey(routes.getRun)]: answerRun,
  [routeKey(routes.listBatches)]: answerBatches,
  [routeKey(routes.getBatch)]: answerBatch,
  [routeKey(routes.getMetrics)]: answerMetrics,
  [routeKey(routes.getOpenapi)]: async () => json(200, openapi()),
})
