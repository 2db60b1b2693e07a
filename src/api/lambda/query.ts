import { filters } from '../../catalog/plan/state.ts'
import { getRun, listRuns } from '../../run/read.ts'
import { listActions } from '../../watch/actions.ts'
import { getDays, getMetrics } from '../../watch/metrics.ts'
import { getView, listViews } from '../../watch/read.ts'
import { batchBody, runBody } from '../answers.ts'
import { json } from '../http.ts'
import { pageByKey, pageByName, pageInOrder } from '../pages.ts'
import type {
  ActionList,
  BatchDetails,
  BatchList,
  CheckedView,
  DayList,
  MetricsList,
  Plan,
  Run,
  RunList,
  ViewDetails,
  ViewList,
  Why,
} from '../schemas/answers.ts'
import { viewPath } from '../schemas/fields.ts'
import { batchPath, runPath } from '../schemas/ids.ts'
import {
  actionsQuery,
  batchesQuery,
  batchQuery,
  daysQuery,
  metricsQuery,
  planQuery,
  runsQuery,
  viewsQuery,
} from '../schemas/queries.ts'
import { fitting, mostBytes } from '../size.ts'
import { validate } from '../validate.ts'
import { localEnvironment } from './configuration.ts'
import type { HandlersOf } from './function.ts'

/** What a query narrows a list to, from the page that it names. */
const filterOf = <
  Query extends { since?: string | undefined; until?: string | undefined; cursor?: number | undefined },
>({
  since,
  until,
  cursor,
  ...filter
}: Query) => ({
  ...filter,
  ...(since === undefined ? {} : { since: new Date(since) }),
  ...(until === undefined ? {} : { until: new Date(until) }),
  ...(cursor === undefined ? {} : { before: cursor }),
})

/** Answers every route that reads, and the one that makes checks of what is shown. What few calls need is loaded by these calls. */
export const reading = {
  async listViews(event, { database, schedules }) {
    const { state, cursor } = validate(viewsQuery, event.queryStringParameters ?? {}, 'query')
    const { views, ...rest } = await listViews(database, schedules)
    const wanted = state === undefined ? views : views.filter(filters[state])
    const { page, next } = pageByName(wanted, cursor)
    return json<ViewList>(200, { views: page, ...rest, next })
  },

  async getMetrics(event, { database }) {
    const { view, window, cursor } = validate(metricsQuery, event.queryStringParameters ?? {}, 'query')
    const metrics = await getMetrics(database, { view, windowSeconds: window })
    const { page, next } = pageByName(metrics, cursor)
    return json<MetricsList>(200, { windowSeconds: window, metrics: page, next })
  },

  async getPlan(event, { database, schedules }) {
    validate(planQuery, event.queryStringParameters ?? {}, 'query')
    const { getPlan } = await import('../../watch/plan.ts')
    const { lags, ...plan } = await getPlan(database, schedules)
    return json<Plan>(200, { ...plan, lags: lags.map(({ view, lagMs, of }) => ({ view, lagMs, for: of })) })
  },

  async listDays(event, { database }) {
    const { days, cursor } = validate(daysQuery, event.queryStringParameters ?? {}, 'query')
    const { page, next } = pageByName(await getDays(database, days), cursor)
    return json<DayList>(200, { views: page, next })
  },

  async getView(event, { database, schedules }) {
    const { view } = validate(viewPath, event.pathParameters, 'path')
    const { recentRuns, ...details } = await getView(database, view, schedules)
    return json<ViewDetails>(200, { ...details, recentRuns: recentRuns.map(runBody) })
  },

  async getWhy(event, { database, schedules, environment }) {
    const { view } = validate(viewPath, event.pathParameters, 'path')
    const { getWhy } = await import('../../watch/why.ts')
    const { recentRuns, ...why } = await getWhy(database, view, {
      schedules,
      environment: environment === localEnvironment ? null : environment,
    })
    return json<Why>(200, { ...why, recentRuns: recentRuns.map(runBody) })
  },

  async checkView(event, { database }) {
    const { view } = validate(viewPath, event.pathParameters, 'path')
    const { checkView } = await import('../../watch/check.ts')
    return json<CheckedView>(200, await checkView(database, view))
  },

  async listRuns(event, { database }) {
    const query = validate(runsQuery, event.queryStringParameters ?? {}, 'query')
    const { runs, next: last } = await listRuns(database, filterOf(query))
    const { page, next } = pageByKey(runs.map(runBody), last, ({ id }) => id)
    return json<RunList>(200, { runs: page, next })
  },

  async listActions(event, { database }) {
    const query = validate(actionsQuery, event.queryStringParameters ?? {}, 'query')
    const { actions, next: last } = await listActions(database, filterOf(query))
    const { page, next } = pageByKey(actions, last, ({ id }) => id)
    return json<ActionList>(200, { actions: page, next })
  },

  async getRun(event, { database }) {
    const { id } = validate(runPath, event.pathParameters, 'path')
    return json<Run>(200, runBody(await getRun(database, id)))
  },

  async listBatches(event, { database }) {
    const { cursor, ...filter } = validate(batchesQuery, event.queryStringParameters ?? {}, 'query')
    const { listBatches } = await import('../../batch/read.ts')
    const { batches, next: last } = await listBatches(database, { ...filter, before: cursor })
    const { page, next } = pageByKey(batches, last, ({ serial }) => serial)
    return json<BatchList>(200, { batches: page.map(batchBody), next })
  },

  async getBatch(event, { database }) {
    const { id } = validate(batchPath, event.pathParameters, 'path')
    const { cursor } = validate(batchQuery, event.queryStringParameters ?? {}, 'query')
    const { getBatch } = await import('../../batch/read.ts')
    const { views, ...batch } = await getBatch(database, id)
    const { page, next } = pageInOrder(views, cursor, mostBytes / 2)
    return json<BatchDetails>(200, { ...fitting(batchBody(batch), mostBytes / 2), views: page, next })
  },

  async getOpenapi() {
    const { openapi } = await import('../openapi.ts')
    return json<object>(200, openapi())
  },
} satisfies Partial<HandlersOf<'api'>>
