import type { Database } from '../../server/connect.ts'
import { callerOf, type HttpEvent, json, waitUntilOf } from '../http.ts'
import type { Result, StartedBatch } from '../schemas/answers.ts'
import { batchPath, runPath } from '../schemas/ids.ts'
import { validate } from '../validate.ts'
import type { HandlersOf } from './function.ts'

/**
 * The server ends a canceled statement within milliseconds; the answer waits this long for the record of the
 * end.
 */
const leastWaitMs = 3000

const callOf = (event: HttpEvent, database: Database) => ({
  database,
  requestedBy: callerOf(event),
  waitUntil: Math.max(waitUntilOf(event), event.requestContext.timeEpoch + leastWaitMs),
})

/** Answers 200 if the run or the batch has ended, else 202 with its location. */
export const canceling = {
  async cancelRun(event, { database, wakeAnnounce }) {
    const { id } = validate(runPath, event.pathParameters, 'path')
    const { cancel } = await import('../../run/cancel.ts')
    const result = await cancel(id, callOf(event, database))
    if (result.status === 'running') return json<Result>(202, result, { location: `/runs/${result.runId}` })
    wakeAnnounce?.()
    return json<Result>(200, result)
  },

  async cancelBatch(event, { database, wakeAnnounce }) {
    const { id } = validate(batchPath, event.pathParameters, 'path')
    const { cancelBatch } = await import('../../batch/cancel.ts')
    const batch = await cancelBatch(id, callOf(event, database))
    if (batch.status === 'running') return json<StartedBatch>(202, batch, { location: `/batches/${id}` })
    wakeAnnounce?.()
    return json<StartedBatch>(200, batch)
  },
} satisfies Partial<HandlersOf<'api'>>
