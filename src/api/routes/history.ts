import * as z from 'zod/mini'
import { actionNames } from '../../watch/plan/actions.ts'
import { described, view, whole } from '../fields.ts'
import { filterOf, limit, moment, nameCursor, numberCursor, pageByKey, pageByName } from '../pages.ts'
import { route } from '../route.ts'

export const listActions = route({
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
        description: 'Only what concerns this view: also what was done to a batch with it, or to everything.',
      }),
      action: z.optional(z.enum(actionNames)),
      since: described(z.optional(moment), { description: 'Only actions at or after this moment.' }),
      until: described(z.optional(moment), { description: 'Only actions before this moment.' }),
      limit,
      cursor: numberCursor,
    }),
  },
  gives: async () => (await import('../answers.ts')).actionList,
  async answer({ database }, query) {
    const { listActions } = await import('../../watch/read.ts')
    const { actions, next: last } = await listActions(database, filterOf(query))
    const { page, next } = pageByKey(actions, last, ({ id }) => id)
    return { actions: page, next }
  },
})

const unitSeconds = { m: 60, h: 3600, d: 86_400 }

const likeWindow = z
  .string()
  .check(z.regex(/^[1-9]\d{0,4}[mhd]$/, 'must be a number of minutes, hours or days, such as 90m, 24h or 7d'))

export const getMetrics = route({
  method: 'GET',
  path: '/view-metrics',
  policy: 'read',
  function: 'api',
  says: 'Shows counts and durations of the runs of each view in a window, and how each view is now',
  does: 'Per view: runs, success rate, durations, failures, usual duration (`usualMs`), age (`staleMs`): `view`, `window` (`24h`), `cursor`',
  takes: {
    query: z.strictObject({
      view: z.optional(view),
      window: described(
        z.pipe(
          z._default(likeWindow, '24h'),
          z.transform(
            (text) => Number.parseInt(text, 10) * unitSeconds[text.at(-1) as keyof typeof unitSeconds],
          ),
        ),
        { description: 'How far back: `90m`, `24h`, `7d`.', example: '24h' },
      ),
      cursor: nameCursor,
    }),
  },
  gives: async () => (await import('../answers.ts')).metricsList,
  async answer({ database }, { view, window, cursor }) {
    const { getMetrics } = await import('../../watch/read.ts')
    const { page, next } = pageByName(await getMetrics(database, { view, windowSeconds: window }), cursor)
    return { windowSeconds: window, metrics: page, next }
  },
})

export const listDays = route({
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
  gives: async () => (await import('../answers.ts')).dayList,
  async answer({ database }, { days, cursor }) {
    const { getDays } = await import('../../watch/read.ts')
    const { page, next } = pageByName(await getDays(database, days), cursor)
    return { views: page, next }
  },
})
