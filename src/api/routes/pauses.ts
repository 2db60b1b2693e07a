import * as z from 'zod/mini'
import { Problem } from '../../problem.ts'
import { described, named, viewPath } from '../fields.ts'
import { moment } from '../pages.ts'
import { route } from '../route.ts'

const pauseOptions = named(
  'PauseOptions',
  z.strictObject({
    until: described(z.optional(moment), {
      description: 'When the pause ends by itself; by default somebody has to end it.',
    }),
  }),
)

const shared = {
  method: 'POST',
  policy: 'operate',
  function: 'api',
  gives: async () => (await import('../answers.ts')).pauseState,
} as const

const pauses = () => import('../../watch/pause.ts')

export const pauseView = route({
  ...shared,
  path: '/views/{view}/pause',
  says: 'Pauses a view: its refreshes are skipped, except with `force`, perhaps `until` a moment',
  takes: { path: viewPath, body: pauseOptions },
  async answer({ database }, { view, until }, { requestedBy }) {
    const { pauseView } = await pauses()
    return { view: await pauseView(database, view, true, requestedBy, endOf(until)), paused: true }
  },
})

export const resumeView = route({
  ...shared,
  path: '/views/{view}/resume',
  says: 'Resumes a view: its refreshes run again',
  takes: { path: viewPath },
  async answer({ database }, { view }, { requestedBy }) {
    const { pauseView } = await pauses()
    return { view: await pauseView(database, view, false, requestedBy), paused: false }
  },
})

export const pauseAll = route({
  ...shared,
  path: '/pause',
  says: 'Pauses everything: schedules and deploys start no more refreshes, perhaps `until` a moment',
  takes: { body: pauseOptions },
  async answer({ database }, { until }, { requestedBy }) {
    const { pauseAll } = await pauses()
    await pauseAll(database, true, requestedBy, endOf(until))
    return { paused: true }
  },
})

export const resumeAll = route({
  ...shared,
  path: '/resume',
  says: 'Resumes everything: schedules and deploys start refreshes again',
  async answer({ database }, _, { requestedBy }) {
    const { pauseAll } = await pauses()
    await pauseAll(database, false, requestedBy)
    return { paused: false }
  },
})

/** When a pause ends by itself; null: when somebody ends it. Refuses a moment that is over. */
function endOf(until: string | undefined): Date | null {
  if (until === undefined) return null
  const at = new Date(until)
  if (at.getTime() > Date.now()) return at
  throw new Problem('InvalidRequest', `until: ${until} is over. Name a moment to come.`, { field: 'until' })
}
