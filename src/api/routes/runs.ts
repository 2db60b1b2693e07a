import * as z from 'zod/mini'
import { operations, type RunStatus, runStatuses } from '../../catalog/plan/run.ts'
import { described, runId, runPath, text, view } from '../fields.ts'
import { filterOf, limit, moment, pageByKey } from '../pages.ts'
import { goesOn, route } from '../route.ts'

const someStatuses = `must be one or more of ${runStatuses.join(', ')}, with commas between them`
const statuses = z.pipe(
  z
    .string()
    .check(
      z.refine(
        (text) => text.split(',').every((each) => (runStatuses as readonly string[]).includes(each)),
        someStatuses,
      ),
    ),
  z.transform((text) => text.split(',') as RunStatus[]),
)

export const listRuns = route({
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
  gives: async () => (await import('../answers.ts')).runList,
  async answer({ database }, query) {
    const { listRuns } = await import('../../run/read.ts')
    const { runs, next: last } = await listRuns(database, filterOf(query))
    const { page, next } = pageByKey(runs, last, ({ id }) => id)
    return { runs: page, next }
  },
})

export const getRun = route({
  method: 'GET',
  path: '/runs/{id}',
  policy: 'read',
  function: 'api',
  says: 'Shows one run',
  does: 'One run; a failed one has its [cause](http.md#why-a-view-is-old), a waiting retry has `notBefore`, a running one its phase, the time elapsed and an estimate',
  takes: { path: runPath },
  gives: async () => (await import('../answers.ts')).run,
  async answer({ database, environment }, { id }) {
    const { explainRun } = await import('../../watch/read.ts')
    return explainRun(database, id, environment)
  },
})

export const cancelRun = route({
  method: 'POST',
  path: '/runs/{id}/cancel',
  policy: 'operate',
  function: 'api',
  says: 'Cancels a run on the server',
  takes: { path: runPath },
  waits: 'for the cancel',
  gives: async () => (await import('../answers.ts')).result,
  location: goesOn,
  async answer({ database, onEnd }, { id }, caller) {
    const { cancel } = await import('../../run/cancel.ts')
    const result = await cancel(id, { ...caller, database })
    if (result.status !== 'running') onEnd?.()
    return result
  },
})
