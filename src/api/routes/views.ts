import * as z from 'zod/mini'
import { filterNames, filters } from '../../catalog/plan/state.ts'
import { described, viewPath } from '../fields.ts'
import { nameCursor, pageByName } from '../pages.ts'
import { route } from '../route.ts'

export const listViews = route({
  method: 'GET',
  path: '/views',
  policy: 'read',
  function: 'api',
  says: 'Lists every view',
  does:
    'Every view in the catalog, and every authored view that is missing or set aside: `state` and `culprit`, the view to fix first; last ' +
    "run and success, `asOf`, `heldBackBy`, age and limit. `nextRun`, and `nextBy`: the `view`'s schedule, the `nightly` one, a target " +
    '`lag` or a `retry`; what it reads and what reads it; `aside`, `retry`, `cost`. `?state=` selects `stale` (with `unknown`), ' +
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
  gives: async () => (await import('../answers.ts')).viewList,
  async answer({ database, schedules }, { state, cursor }) {
    const { listViews } = await import('../../watch/read.ts')
    const { views, ...rest } = await listViews(database, schedules)
    const { page, next } = pageByName(state === undefined ? views : views.filter(filters[state]), cursor)
    return { views: page, ...rest, next }
  },
})

export const getView = route({
  method: 'GET',
  path: '/views/{view}',
  policy: 'read',
  function: 'api',
  says: 'Shows one view',
  does: 'One view: the same, and its SQL, indexes, owner and last runs',
  takes: { path: viewPath },
  gives: async () => (await import('../answers.ts')).viewDetails,
  async answer({ database, schedules }, { view }) {
    const { getView } = await import('../../watch/read.ts')
    return getView(database, view, schedules)
  },
})

export const getWhy = route({
  method: 'GET',
  path: '/views/{view}/why',
  policy: 'read',
  function: 'api',
  says: 'Says why the data of a view are as old as they are, and what to do',
  does: '[Why its data are as old as they are](http.md#why-a-view-is-old), who is in the way, and what to type',
  takes: { path: viewPath },
  gives: async () => (await import('../answers.ts')).why,
  async answer({ database, schedules, environment }, { view }) {
    const { getWhy } = await import('../../watch/why.ts')
    return getWhy(database, view, { schedules, environment })
  },
})

export const checkView = route({
  method: 'POST',
  path: '/views/{view}/check',
  policy: 'refresh',
  function: 'api',
  says: 'Makes the checks of a view on the data that readers see',
  does: 'Runs the [checks](checks.md#check) on the data that readers see: `passes`, and the rows that each check found',
  takes: { path: viewPath },
  gives: async () => (await import('../answers.ts')).checkedView,
  async answer({ database }, { view }) {
    const { checkView } = await import('../../watch/check.ts')
    return checkView(database, view)
  },
})
