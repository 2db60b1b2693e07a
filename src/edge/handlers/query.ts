import { getBatch, listBatches } from '../../operations/batches/read.ts'
import { getMetrics } from '../../operations/monitoring/metrics.ts'
import { getRun, listRuns } from '../../operations/runs/read.ts'
import { getView, listViews } from '../../operations/views/read.ts'
import { getWhy } from '../../operations/views/why.ts'
import { filters } from '../../plan/views/state.ts'
import { batchBody, runBody } from '../http/answers.ts'
import { json } from '../http/http.ts'
import { pageByKey, pageByName, pageInOrder } from '../http/pages.ts'
import { viewPath } from '../http/schemas/fields.ts'
import { batchPath, runPath } from '../http/schemas/ids.ts'
import { batchesQuery, batchQuery, metricsQuery, runsQuery, viewsQuery } from '../http/schemas/queries.ts'
import { fitting, mostBytes } from '../http/size.ts'
import { validate } from '../http/validate.ts'
import { localEnvironment } from '../lambda/configuration.ts'
import type { HttpHandler } from '../lambda/function.ts'

/** `GET /views` */
export const answerViews: HttpHandler = async (event, { database, schedules }) => {
  const { state, cursor } = validate(viewsQuery, event.queryStringParameters ?? {}, 'query')
  const { views, paused } = await listViews(database, schedules)
  const wanted = state === undefined ? views : views.filter(filters[state])
  const { page, next } = pageByName(wanted, cursor)
  return json(200, { views: page, paused, next })
}

/** `GET /metrics` */
export const answerMetrics: HttpHandler = async (event, { database }) => {
  const { view, window, cursor } = validate(metricsQuery, event.queryStringParameters ?? {}, 'query')
  const metrics = await getMetrics(database, { view, windowSeconds: window })
  const { page, next } = pageByName(metrics, cursor)
  return json(200, { windowSeconds: window, metrics: page, next })
}

/** `GET /views/{view}` */
export const answerView: HttpHandler = async (event, { database, schedules }) => {
  const { view } = validate(viewPath, event.pathParameters, 'path')
  const { recentRuns, ...details } = await getView(database, view, schedules)
  return json(200, { ...details, recentRuns: recentRuns.map(runBody) })
}

/** `GET /views/{view}/why` */
export const answerWhy: HttpHandler = async (event, { database, schedules, environment }) => {
  const { view } = validate(viewPath, event.pathParameters, 'path')
  const { recentRuns, ...why } = await getWhy(database, view, {
    schedules,
    environment: environment === localEnvironment ? null : environment,
  })
  return json(200, { ...why, recentRuns: recentRuns.map(runBody) })
}

/** `GET /runs` */
export const answerRuns: HttpHandler = async (event, { database }) => {
  const { since, cursor, ...filter } = validate(runsQuery, event.queryStringParameters ?? {}, 'query')
  const { runs, next: last } = await listRuns(database, {
    ...filter,
    ...(since === undefined ? {} : { since: new Date(since) }),
    ...(cursor === undefined ? {} : { before: cursor }),
  })
  const { page, next } = pageByKey(runs.map(runBody), last, ({ id }) => id)
  return json(200, { runs: page, next })
}

/** `GET /runs/{id}` */
export const answerRun: HttpHandler = async (event, { database }) => {
  const { id } = validate(runPath, event.pathParameters, 'path')
  return json(200, runBody(await getRun(database, id)))
}

/** `GET /batches` */
export const answerBatches: HttpHandler = async (event, { database }) => {
  const { cursor, ...filter } = validate(batchesQuery, event.queryStringParameters ?? {}, 'query')
  const { batches, next: last } = await listBatches(database, { ...filter, before: cursor })
  const { page, next } = pageByKey(batches, last, ({ serial }) => serial)
  return json(200, { batches: page.map(batchBody), next })
}

/** `GET /batches/{id}` */
export const answerBatch: HttpHandler = async (event, { database }) => {
  const { id } = validate(batchPath, event.pathParameters, 'path')
  const { cursor } = validate(batchQuery, event.queryStringParameters ?? {}, 'query')
  const { views, ...batch } = await getBatch(database, id)
  const { page, next } = pageInOrder(views, cursor, mostBytes / 2)
  return json(200, { ...fitting(batchBody(batch), mostBytes / 2), views: page, next })
}
