import { httpFunction } from '../src/edge/function.ts'
import { json } from '../src/edge/http.ts'
import { openapi } from '../src/edge/openapi.ts'
import {
  answerBatch,
  answerBatches,
  answerMetrics,
  answerRun,
  answerRuns,
  answerView,
  answerViews,
} from '../src/edge/reads.ts'
import { routeKey, routes } from '../src/edge/routes.ts'

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
