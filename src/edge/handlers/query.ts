import { getBatch, listBatches } from '../../operations/batches/read.ts'
import { getMetrics } from '../../operations/monitoring/metrics.ts'
import { getRun, listRuns } from '../../operations/runs/read.ts'
import { getView, listViews } from '../../operations/views/read.ts'
import { getWhy } from '../../operations/views/why.ts'
import { filters } from '../../plan/views/state.ts'
import { batchBody, runBody } from '../http/answers.ts'
import { type HttpAnswer, type HttpEvent, json } from '../http/http.ts'
import { pageByKey, pageByName, pageInOrder } from '../http/pages.ts'
import { viewPath } from '../http/schemas/fields.ts'
import { batchPath, runPath } from '../http/schemas/ids.ts'
import { batchesQuery, batchQuery, metricsQuery, runsQuery, viewsQuery } from '../http/schemas/queries.ts'
import { fitting, mostBytes } from '../http/size.ts'
import { validate } from '../http/validate.ts'
import { type Configuration, localEnvironment } from '../lambda/configuration.ts'

type WithDatabase = Pick<Configuration, 'database'>
type WithSchedules = Pick<Configuration, 'database' | 'schedules'>

/** `GET /views` */
export async function answerViews(
  event: HttpEvent,
  { database, schedules }: WithSchedules,
): Promise<HttpAnswer> {
  const { state, cursor } = validate(viewsQuery, event.queryStringParameters ?? {}, 'query')
  const { views, paused } = await listViews(database, schedules)
  const wanted = state === undefined ? views : views.filter(filters[state])
  const { page, next } = pageByName(wanted, cursor)
  return json(200, { views: page, paused, next })
}

/** `GET /metrics` */
export async function answerMetrics(event: HttpEvent, { database }: WithDatabase): Promise<HttpAnswer> {
  const { view, window, cursor } = validate(metricsQuery, event.queryStringParameters ?? {}, 'query')
  const metrics = await getMetrics(database, { view, windowSeconds: window })
  const { page, next } = pageByName(metrics, cursor)
  return json(200, { windowSeconds: window, metrics: page, next })
}

/** `GET /views/{view}` */
export async function answerView(
  event: HttpEvent,
  { database, schedules }: WithSchedules,
): Promise<HttpAnswer> {
  const { view } = validate(viewPath, event.pathParameters, 'path')
  const { recentRuns, ...details } = await getView(database, view, schedules)
  return json(200, { ...details, recentRuns: recentRuns.map(runBody) })
}

/** `GET /views/{view}/why` */
export async function answerWhy(
  event: HttpEvent,
  { database, schedules, environment }: Pick<Configuration, 'database' | 'schedules' | 'environment'>,
): Promise<HttpAnswer> {
  const { view } = validate(viewPath, event.pathParameters, 'path')
  const { recentRuns, ...why } = await getWhy(database, view, {
    schedules,
    environment: environment === localEnvironment ? null : environment,
  })
  return json(200, { ...why, recentRuns: recentRuns.map(runBody) })
}

/** `GET /runs` */
export async function answerRuns(event: HttpEvent, { database }: WithDatabase): Promise<HttpAnswer> {
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
export async function answerRun(event: HttpEvent, { database }: WithDatabase): Promise<HttpAnswer> {
  const { id } = validate(runPath, event.pathParameters, 'path')
  return json(200, runBody(await getRun(database, id)))
}

/** `GET /batches` */
export async function answerBatches(event: HttpEvent, { database }: WithDatabase): Promise<HttpAnswer> {
  const { cursor, ...filter } = validate(batchesQuery, event.queryStringParameters ?? {}, 'query')
  const { batches, next: last } = await listBatches(database, { ...filter, before: cursor })
  const { page, next } = pageByKey(batches, last, ({ serial }) => serial)
  return json(200, { batches: page.map(batchBody), next })
}

/** `GET /batches/{id}` */
export async function answerBatch(event: HttpEvent, { database }: WithDatabase): Promise<HttpAnswer> {
  const { id } = validate(batchPath, event.pathParameters, 'path')
  const { cursor } = validate(batchQuery, event.queryStringParameters ?? {}, 'query')
  const { views, ...batch } = await getBatch(database, id)
  const { page, next } = pageInOrder(views, cursor, mostBytes / 2)
  return json(200, { ...fitting(batchBody(batch), mostBytes / 2), views: page, next })
}
