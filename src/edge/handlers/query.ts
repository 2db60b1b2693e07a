import type * as z from 'zod'
import { getBatch, listBatches } from '../../operations/batches/read.ts'
import { getMetrics } from '../../operations/monitoring/metrics.ts'
import { getRun, listRuns } from '../../operations/runs/read.ts'
import { getView, type ListedView, listViews } from '../../operations/views/read.ts'
import { batchBody, runBody } from '../http/answers.ts'
import { type HttpAnswer, type HttpEvent, json } from '../http/http.ts'
import {
  batchesQuery,
  batchPath,
  metricsQuery,
  runPath,
  runsQuery,
  viewPath,
  viewsQuery,
} from '../http/schemas.ts'
import { validate } from '../http/validate.ts'
import type { Configuration } from '../lambda/configuration.ts'

type WithDatabase = Pick<Configuration, 'database'>

/** `GET /views` */
export async function answerViews(event: HttpEvent, { database }: WithDatabase): Promise<HttpAnswer> {
  const { state } = validate(viewsQuery, event.queryStringParameters ?? {}, 'query')
  const { views, paused } = await listViews(database)
  return json(200, {
    views: state === undefined ? views : views.filter((view) => isInState(view, state)),
    paused,
  })
}

const isInState = (view: ListedView, state: NonNullable<z.output<typeof viewsQuery>['state']>): boolean => {
  switch (state) {
    case 'stale':
      return view.stale
    case 'failed':
      return view.lastRun?.status === 'failed'
    case 'running':
      return view.lastRun?.status === 'running'
    case 'paused':
      return view.paused
    case 'unpopulated':
      return !view.populated && !view.missing
    case 'missing':
      return view.missing
  }
}

/** `GET /metrics` */
export async function answerMetrics(event: HttpEvent, { database }: WithDatabase): Promise<HttpAnswer> {
  const { view, window } = validate(metricsQuery, event.queryStringParameters ?? {}, 'query')
  const metrics = await getMetrics(database, { view, windowSeconds: window })
  return json(200, { windowSeconds: window, metrics })
}

/** `GET /views/{view}` */
export async function answerView(event: HttpEvent, { database }: WithDatabase): Promise<HttpAnswer> {
  const { view } = validate(viewPath, event.pathParameters, 'path')
  const { recentRuns, ...details } = await getView(database, view)
  return json(200, { ...details, recentRuns: recentRuns.map(runBody) })
}

/** `GET /runs` */
export async function answerRuns(event: HttpEvent, { database }: WithDatabase): Promise<HttpAnswer> {
  const { since, cursor, ...filter } = validate(runsQuery, event.queryStringParameters ?? {}, 'query')
  const { runs, next } = await listRuns(database, {
    ...filter,
    ...(since === undefined ? {} : { since: new Date(since) }),
    ...(cursor === undefined ? {} : { before: cursor }),
  })
  return json(200, { runs: runs.map(runBody), next: next === null ? null : String(next) })
}

/** `GET /runs/{id}` */
export async function answerRun(event: HttpEvent, { database }: WithDatabase): Promise<HttpAnswer> {
  const { id } = validate(runPath, event.pathParameters, 'path')
  return json(200, runBody(await getRun(database, id)))
}

/** `GET /batches` */
export async function answerBatches(event: HttpEvent, { database }: WithDatabase): Promise<HttpAnswer> {
  const { cursor, ...filter } = validate(batchesQuery, event.queryStringParameters ?? {}, 'query')
  const { batches, next } = await listBatches(database, { ...filter, before: cursor })
  return json(200, { batches: batches.map(batchBody), next: next === null ? null : String(next) })
}

/** `GET /batches/{id}` */
export async function answerBatch(event: HttpEvent, { database }: WithDatabase): Promise<HttpAnswer> {
  const { id } = validate(batchPath, event.pathParameters, 'path')
  return json(200, batchBody(await getBatch(database, id)))
}
