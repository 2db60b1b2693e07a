import {
  answerBatch,
  answerBatches,
  answerMetrics,
  answerRun,
  answerRuns,
  answerView,
  answerViews,
  answerWhy,
} from '../src/edge/handlers/query.ts'
import { json } from '../src/edge/http/http.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { httpFunction } from '../src/edge/lambda/function.ts'

/** Answers every route that reads. */
export const handler = httpFunction<'query'>(readConfiguration, {
  listViews: answerViews,
  getView: answerView,
  getWhy: answerWhy,
  listRuns: answerRuns,
  getRun: answerRun,
  listBatches: answerBatches,
  getBatch: answerBatch,
  getMetrics: answerMetrics,
  getOpenapi: async () => json(200, (await import('../src/edge/http/openapi.ts')).openapi()),
})
