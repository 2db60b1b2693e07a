import * as z from 'zod/mini'
import { route } from '../route.ts'

export const getPlan = route({
  method: 'GET',
  path: '/plan',
  policy: 'read',
  function: 'api',
  says: 'Says what runs in the coming 24 hours',
  does: 'What runs in the coming 24 hours: each schedule with its turns, views and usual duration; and what a target lag refreshes',
  takes: { query: z.strictObject({}) },
  gives: async () => (await import('../answers.ts')).plan,
  async answer({ database, schedules }) {
    const { getPlan } = await import('../../watch/plan.ts')
    const { lags, ...plan } = await getPlan(database, schedules)
    return { ...plan, lags: lags.map(({ view, lagMs, of }) => ({ view, lagMs, for: of })) }
  },
})
