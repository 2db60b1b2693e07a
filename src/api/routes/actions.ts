import * as z from 'zod/mini'
import { actionNames } from '../../watch/plan/actions.ts'
import { described, view } from '../fields.ts'
import { filterOf, limit, moment, numberCursor, pageByKey } from '../pages.ts'
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
