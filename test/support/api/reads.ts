import type { RouteName, routes } from '../../../src/api/routes.ts'
import { getBatch, listBatches, listOpenBatches } from '../../../src/batch/read-batches.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { listRuns } from '../../../src/run/read-runs.ts'
import type { Database } from '../../../src/server/database.ts'
import { getPlan } from '../../../src/watch/day-plan.ts'
import {
  explainRun,
  getDays,
  getMetrics,
  getView,
  listActions,
  listViews,
} from '../../../src/watch/read-views.ts'
import { getWhy } from '../../../src/watch/why.ts'

/** What the reads are about: a view with a run and a batch, and a view that Viewkeeper has not met yet. */
export interface Known {
  view: string
  unmet: string
  runId: number
  batchId: string
}

const metricsOf = (database: Database, view?: string) => getMetrics(database, { view, windowSeconds: 3600 })

const whyOf = (database: Database, view: string) =>
  getWhy(database, view, { schedules: unscheduled, typed: null })

type Read = (database: Database, known: Known) => Promise<unknown>

/** The routes of the table that read the database, as `GET /views`. */
type GetRoute = {
  [Name in Exclude<RouteName, 'getOpenapi'>]: (typeof routes)[Name]['method'] extends 'GET'
    ? `GET ${(typeof routes)[Name]['path']}`
    : never
}[Exclude<RouteName, 'getOpenapi'>]

/** Every GET route, and the part of its answer that does not depend on the time. */
export const reads: Record<GetRoute, Read> & Record<string, Read> = {
  'GET /views': async (database, { view, unmet }) =>
    (await listViews(database)).views
      .filter((each) => [view, unmet].includes(each.view))
      .map(({ view, lastRun }) => [view, lastRun?.status]),
  'GET /views/{view}': async (database, { view }) => (await getView(database, view)).recentRuns.length,
  'GET /views/{view} of a view without a definition': async (database, { unmet }) => {
    const { id, source, recentRuns } = await getView(database, unmet)
    return { id, source, recentRuns }
  },
  'GET /views/{view}/why': async (database, { view }) => {
    const { state, causes, locks, recentRuns } = await whyOf(database, view)
    return [state, causes.map(({ code }) => code), locks, recentRuns.length]
  },
  'GET /views/{view}/why of a view without a definition': async (database, { unmet }) => {
    const { state, causes, recentRuns } = await whyOf(database, unmet)
    return [state, causes, recentRuns]
  },
  'GET /runs': async (database) => (await listRuns(database, { limit: 10 })).runs.map(({ id }) => id),
  'GET /runs?view= of a view without a definition': (database, { unmet }) =>
    listRuns(database, { limit: 10, view: unmet }),
  'GET /runs/{id}': async (database, { runId }) => (await explainRun(database, runId, null)).status,
  'GET /batches': async (database) =>
    (await listBatches(database, { limit: 10 })).batches.map(({ status }) => status),
  'GET /batches/{id}': async (database, { batchId }) =>
    (await getBatch(database, batchId)).views.map(({ status }) => status),
  'the open batches': async (database) => (await listOpenBatches(database)).length,
  'GET /actions': async (database, { view }) =>
    (await listActions(database, { limit: 10, view })).actions.map(({ action }) => action),
  'GET /days': async (database, { view }) =>
    (await getDays(database, 2)).filter((each) => each.view === view).map(({ days }) => days.length),
  'GET /plan': async (database) => (await getPlan(database, unscheduled)).schedules,
  'GET /view-metrics': async (database, { view }) =>
    (await metricsOf(database)).filter((each) => each.view === view).map(({ runs }) => runs),
  'GET /view-metrics?view= of a view without a definition': (database, { unmet }) =>
    metricsOf(database, unmet),
}
