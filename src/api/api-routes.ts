import * as z from 'zod/mini'
import { filterNames, filters } from '../catalog/plan/state.ts'
import type { Batch } from '../record/batches/batches.ts'
import { actionNames } from '../record/plan/action-words.ts'
import { Problem } from '../words/problem.ts'
import { batchStatuses, operations, type RunStatus, runStatuses } from '../words/run.ts'
import {
  filterOf,
  limit,
  moment,
  nameCursor,
  numberCursor,
  pageByKey,
  pageByName,
  pageInOrder,
} from './pages.ts'
import { batchPath, described, named, runId, runPath, text, view, viewPath, whole } from './request-fields.ts'
import { goesOn, route } from './route.ts'
import { fitting, mostBytes } from './size.ts'

const someStatuses = `must be one or more of ${runStatuses.join(', ')}, with commas between them`

const isStatus = (text: string): boolean => (runStatuses as readonly string[]).includes(text)

const statuses = z.pipe(
  z.string().check(z.refine((text) => text.split(',').every(isStatus), someStatuses)),
  z.transform((text) => text.split(',') as RunStatus[]),
)

/** A batch as the API shows it: without the number that only the database uses. */
const batchBody = <Shown extends Batch>({ serial: _, ...shown }: Shown): Omit<Shown, 'serial'> => shown

const pauseOptions = named(
  'PauseOptions',
  z.strictObject({
    until: described(z.optional(moment), {
      description: 'When the pause ends by itself; by default somebody has to end it.',
    }),
  }),
)

const quietOptions = named(
  'QuietOptionsOfNow',
  z.strictObject({
    from: described(z.optional(moment), { description: 'When it begins; by default now.' }),
    until: described(z.optional(moment), { description: 'When it ends; by default it is over.' }),
  }),
)

/** What the routes of pauses have in common. */
const pausing = {
  method: 'POST',
  policy: 'operate',
  function: 'api',
  gives: async () => (await import('./answers.ts')).pauseState,
} as const

const pauses = () => import('../watch/pause.ts')

/** When a pause ends by itself; null: when somebody ends it. Refuses a moment that is over. */
function endOf(until: string | undefined): Date | null {
  if (until === undefined) return null
  const at = new Date(until)
  if (at.getTime() > Date.now()) return at
  throw new Problem('InvalidRequest', `until: ${until} is over. Name a moment to come.`, { field: 'until' })
}

const unitSeconds = { m: 60, h: 3600, d: 86_400 }

const likeWindow = z
  .string()
  .check(z.regex(/^[1-9]\d{0,4}[mhd]$/, 'must be a number of minutes, hours or days, such as 90m, 24h or 7d'))

const secondsOf = (window: string): number =>
  Number.parseInt(window, 10) * unitSeconds[window.at(-1) as keyof typeof unitSeconds]

/** What the function `api` answers, a route each: all but operations and new batches. */
export const apiRoutes = {
  // Views
  listViews: route({
    method: 'GET',
    path: '/views',
    policy: 'read',
    function: 'api',
    says: 'Lists every view',
    does:
      'Every view in the catalog, and every authored view that is missing or set aside: `state` and `culprit`, the view to fix first; last ' +
      "run and success, `asOf`, `heldBackBy`, age and limit. `nextRun`, and `nextBy`: the `view`'s schedule, the `nightly` one, a target " +
      '`lag`, its `log` as soon as it has rows, or a `retry`; what it reads and what reads it; `aside`, `retry`. `?state=` selects `stale`, ' +
      '`failed`, `heldBack`, `unknown`, `running`, `paused`, `unpopulated`, `missing` or `aside`. `paused`: everything is',
    takes: {
      query: z.strictObject({
        state: described(z.optional(z.enum(filterNames)), {
          description:
            'Only views that are in this state. `failed`: a refresh failed, and none has succeeded since. `running`: the last run is running.',
        }),
        cursor: nameCursor,
      }),
    },
    gives: async () => (await import('./answers.ts')).viewList,
    async answer({ database, schedules, typed }, { state, cursor }) {
      const { listViews } = await import('../watch/read-views.ts')
      const { views, ...rest } = await listViews(database, schedules, typed)
      const { page, next } = pageByName(state === undefined ? views : views.filter(filters[state]), cursor)
      return { views: page, ...rest, next }
    },
  }),

  getView: route({
    method: 'GET',
    path: '/views/{view}',
    policy: 'read',
    function: 'api',
    says: 'Shows one view',
    does: 'One view: the same, and its SQL, indexes, owner and last runs',
    takes: { path: viewPath },
    gives: async () => (await import('./answers.ts')).viewDetails,
    async answer({ database, schedules }, { view }) {
      const { getView } = await import('../watch/read-views.ts')
      return getView(database, view, schedules)
    },
  }),

  getWhy: route({
    method: 'GET',
    path: '/views/{view}/why',
    policy: 'read',
    function: 'api',
    says: 'Says why the data of a view are as old as they are, and what to do',
    does: '[Why its data are as old as they are](http.md#why-a-view-is-old), who is in the way, and what to type',
    takes: { path: viewPath },
    gives: async () => (await import('./answers.ts')).why,
    async answer({ database, schedules, typed }, { view }) {
      const { getWhy } = await import('../watch/why.ts')
      return getWhy(database, view, { schedules, typed })
    },
  }),

  checkView: route({
    method: 'POST',
    path: '/views/{view}/check',
    policy: 'refresh',
    function: 'api',
    says: 'Makes the checks of a view on the data that readers see',
    does: 'Runs the [checks](checks.md#check) on the data that readers see: `passes`, and the rows that each check found',
    takes: { path: viewPath },
    gives: async () => (await import('./answers.ts')).checkedView,
    async answer({ database }, { view }) {
      const { checkView } = await import('../watch/check.ts')
      return checkView(database, view)
    },
  }),

  // Runs
  listRuns: route({
    method: 'GET',
    path: '/runs',
    policy: 'read',
    function: 'api',
    says: 'Lists runs, newest first',
    does:
      'History, newest first: `view` or `pattern` (a glob on `schema.name`), `operation`, `status` (`failed,canceled`), `since`, `until`, ' +
      '`limit` (50, at most 200), `cursor`',
    takes: {
      query: z.strictObject({
        view: z.optional(view),
        pattern: described(z.optional(text(200)), {
          description:
            'Only runs of the views whose `schema.name` matches this glob, also of views that are gone.',
          example: 'sales.*',
        }),
        operation: z.optional(z.enum(operations)),
        status: described(z.optional(statuses), {
          description: 'Only runs with one of these statuses.',
          example: 'failed,canceled',
        }),
        since: described(z.optional(moment), { description: 'Only runs requested at or after this moment.' }),
        until: described(z.optional(moment), { description: 'Only runs requested before this moment.' }),
        limit,
        cursor: described(z.optional(runId), { description: 'The `next` of the page before.' }),
      }),
    },
    gives: async () => (await import('./answers.ts')).runList,
    async answer({ database }, query) {
      const { listRuns } = await import('../run/read-runs.ts')
      const { runs, next: last } = await listRuns(database, filterOf(query))
      const { page, next } = pageByKey(runs, last, ({ id }) => id)
      return { runs: page, next }
    },
  }),

  getRun: route({
    method: 'GET',
    path: '/runs/{id}',
    policy: 'read',
    function: 'api',
    says: 'Shows one run',
    does: 'One run; a failed one has its [cause](http.md#why-a-view-is-old), a waiting retry has `notBefore`, a running one its phase, the time elapsed and an estimate',
    takes: { path: runPath },
    gives: async () => (await import('./answers.ts')).run,
    async answer({ database, typed }, { id }) {
      const { explainRun } = await import('../watch/read-views.ts')
      return explainRun(database, id, typed)
    },
  }),

  cancelRun: route({
    method: 'POST',
    path: '/runs/{id}/cancel',
    policy: 'operate',
    function: 'api',
    says: 'Cancels a run on the server',
    takes: { path: runPath },
    waits: 'for the cancel',
    gives: async () => (await import('./answers.ts')).result,
    location: goesOn,
    async answer({ database }, { id }, caller) {
      const { cancel } = await import('../run/cancel.ts')
      return cancel(id, { ...caller, database })
    },
  }),

  // Batches, and what comes next
  listBatches: route({
    method: 'GET',
    path: '/batches',
    policy: 'read',
    function: 'api',
    says: 'Lists batches, newest first',
    does: 'Batches, newest first: `status`, `limit`, `cursor`',
    takes: {
      query: z.strictObject({ status: z.optional(z.enum(batchStatuses)), limit, cursor: numberCursor }),
    },
    gives: async () => (await import('./answers.ts')).batchList,
    async answer({ database }, { cursor, ...filter }) {
      const { listBatches } = await import('../batch/read-batches.ts')
      const { batches, next: last } = await listBatches(database, { ...filter, before: cursor })
      const { page, next } = pageByKey(batches, last, ({ serial }) => serial)
      return { batches: page.map(batchBody), next }
    },
  }),

  getBatch: route({
    method: 'GET',
    path: '/batches/{id}',
    policy: 'read',
    function: 'api',
    says: 'Shows one batch with its graph',
    does:
      "One batch with its graph: each view's state, attempts, phase, why the batch includes it (`includedBecause`), what it `waitsFor` (none: a free slot); time " +
      'elapsed and estimated',
    takes: { path: batchPath, query: z.strictObject({ cursor: nameCursor }) },
    gives: async () => (await import('./answers.ts')).batchDetails,
    async answer({ database }, { id, cursor }) {
      const { getBatch } = await import('../batch/read-batches.ts')
      const { views, ...batch } = await getBatch(database, id)
      const { page, next } = pageInOrder(views, cursor, mostBytes / 2)
      return { ...fitting(batchBody(batch), mostBytes / 2), views: page, next }
    },
  }),

  cancelBatch: route({
    method: 'POST',
    path: '/batches/{id}/cancel',
    policy: 'operate',
    function: 'api',
    says: 'Cancels a batch with its runs',
    takes: { path: batchPath },
    waits: 'for the cancel',
    gives: async () => (await import('./answers.ts')).startedBatch,
    location: ({ status, batchId }) => (status === 'running' ? `/batches/${batchId}` : null),
    async answer({ database }, { id }, caller) {
      const { cancelBatch } = await import('../batch/end.ts')
      return cancelBatch(id, { ...caller, database })
    },
  }),

  getPlan: route({
    method: 'GET',
    path: '/plan',
    policy: 'read',
    function: 'api',
    says: 'Says what runs in the coming 24 hours',
    does: 'What runs in the coming 24 hours: each schedule with its turns, views and usual duration; and what a target lag refreshes',
    takes: { query: z.strictObject({}) },
    gives: async () => (await import('./answers.ts')).plan,
    async answer({ database, schedules }) {
      const { getPlan } = await import('../watch/day-plan.ts')
      const { lags, ...plan } = await getPlan(database, schedules)
      return { ...plan, lags: lags.map(({ view, lagMs, of }) => ({ view, lagMs, for: of })) }
    },
  }),

  // Pauses
  pauseView: route({
    ...pausing,
    path: '/views/{view}/pause',
    says: 'Pauses a view: its refreshes are skipped, except with `force`, perhaps `until` a moment',
    takes: { path: viewPath, body: pauseOptions },
    async answer({ database }, { view, until }, { requestedBy }) {
      const { pauseView } = await pauses()
      return { view: await pauseView(database, view, true, requestedBy, endOf(until)), paused: true }
    },
  }),

  resumeView: route({
    ...pausing,
    path: '/views/{view}/resume',
    says: 'Resumes a view: its refreshes run again',
    takes: { path: viewPath },
    async answer({ database }, { view }, { requestedBy }) {
      const { pauseView } = await pauses()
      return { view: await pauseView(database, view, false, requestedBy), paused: false }
    },
  }),

  pauseAll: route({
    ...pausing,
    path: '/pause',
    says: 'Pauses everything: schedules and deploys start no more refreshes, perhaps `until` a moment',
    takes: { body: pauseOptions },
    async answer({ database }, { until }, { requestedBy }) {
      const { pauseAll } = await pauses()
      await pauseAll(database, true, requestedBy, endOf(until))
      return { paused: true }
    },
  }),

  resumeAll: route({
    ...pausing,
    path: '/resume',
    says: 'Resumes everything: schedules and deploys start refreshes again',
    async answer({ database }, _, { requestedBy }) {
      const { pauseAll } = await pauses()
      await pauseAll(database, false, requestedBy)
      return { paused: false }
    },
  }),

  quiet: route({
    ...pausing,
    path: '/quiet',
    says: 'Lets nobody be told what is wrong, perhaps `from` a moment, `until` another; without `until`, that is over',
    takes: { body: quietOptions },
    gives: async () => (await import('./answers.ts')).quietState,
    async answer({ database }, { from, until }, { requestedBy }) {
      const { quiet } = await pauses()
      const window = { from: from === undefined ? null : new Date(from), until: endOf(until) }
      if (window.from !== null && (window.until === null || window.until <= window.from))
        throw new Problem('InvalidRequest', 'until: it has to come after `from`.', { field: 'until' })
      return { quiet: await quiet(database, window.from, window.until, requestedBy) }
    },
  }),

  // The record over time: who did what, how long it took, how it ended
  listActions: route({
    method: 'GET',
    path: '/actions',
    policy: 'read',
    function: 'api',
    says: 'Lists who did what, newest first: pauses, cancels, forced refreshes, drops and the like',
    does:
      '[Who did what](monitoring.md#who-did-what), newest first: `view`, `action`, `since`, `until`, `limit` (50, at most ' +
      '200), `cursor`',
    takes: {
      query: z.strictObject({
        view: described(z.optional(view), {
          description:
            'Only what concerns this view: also what was done to a batch with it, or to everything.',
        }),
        action: z.optional(z.enum(actionNames)),
        since: described(z.optional(moment), { description: 'Only actions at or after this moment.' }),
        until: described(z.optional(moment), { description: 'Only actions before this moment.' }),
        limit,
        cursor: numberCursor,
      }),
    },
    gives: async () => (await import('./answers.ts')).actionList,
    async answer({ database }, query) {
      const { listActions } = await import('../watch/read-views.ts')
      const { actions, next: last } = await listActions(database, filterOf(query))
      const { page, next } = pageByKey(actions, last, ({ id }) => id)
      return { actions: page, next }
    },
  }),

  getMetrics: route({
    method: 'GET',
    path: '/view-metrics',
    policy: 'read',
    function: 'api',
    says: 'Shows counts and durations of the runs of each view in a window, and how each view is now',
    does: 'Per view: runs, success rate, durations, failures, usual duration (`usualMs`), age (`staleMs`): `view`, `window` (`24h`), `cursor`',
    takes: {
      query: z.strictObject({
        view: z.optional(view),
        window: described(z.pipe(z._default(likeWindow, '24h'), z.transform(secondsOf)), {
          description: 'How far back: `90m`, `24h`, `7d`.',
          example: '24h',
        }),
        cursor: nameCursor,
      }),
    },
    gives: async () => (await import('./answers.ts')).metricsList,
    async answer({ database }, { view, window, cursor }) {
      const { getMetrics } = await import('../watch/read-views.ts')
      const { page, next } = pageByName(await getMetrics(database, { view, windowSeconds: window }), cursor)
      return { windowSeconds: window, metrics: page, next }
    },
  }),

  listDays: route({
    method: 'GET',
    path: '/days',
    policy: 'read',
    function: 'api',
    says: 'Shows for each view and day how its runs ended',
    does: 'Per view and day (UTC): runs, failures, how the last one ended: `days` (14, at most 31), `cursor`',
    takes: {
      query: z.strictObject({
        days: described(z._default(whole(31), 14), { description: 'How many days, today among them.' }),
        cursor: nameCursor,
      }),
    },
    gives: async () => (await import('./answers.ts')).dayList,
    async answer({ database }, { days, cursor }) {
      const { getDays } = await import('../watch/read-views.ts')
      const { page, next } = pageByName(await getDays(database, days), cursor)
      return { views: page, next }
    },
  }),
}
