import { cancelBatch } from '../../operations/batches/cancel.ts'
import { cancel } from '../../operations/runs/cancel.ts'
import { type HttpEvent, json, waitUntilOf } from '../http/http.ts'
import { batchPath, runPath } from '../http/schemas/ids.ts'
import { validate } from '../http/validate.ts'
import type { HttpHandler } from '../lambda/function.ts'

/**
 * The server ends a canceled statement within milliseconds; the answer waits this long for the record of the
 * end.
 */
const leastWaitMs = 3000

const waitUntil = (event: HttpEvent): number =>
  Math.max(waitUntilOf(event), event.requestContext.timeEpoch + leastWaitMs)

/** `POST /runs/{id}/cancel`: 200 if the run has ended, else 202 with the location of the run. */
export const answerRunCancel: HttpHandler = async (event, { database }) => {
  const { id } = validate(runPath, event.pathParameters, 'path')
  const result = await cancel(id, { database, waitUntil: waitUntil(event) })
  return result.status === 'running'
    ? json(202, result, { location: `/runs/${result.runId}` })
    : json(200, result)
}

/** `POST /batches/{id}/cancel`: 200 if the batch has ended, else 202 with the location of the batch. */
export const answerBatchCancel: HttpHandler = async (event, { database }) => {
  const { id } = validate(batchPath, event.pathParameters, 'path')
  const batch = await cancelBatch(id, { database, waitUntil: waitUntil(event) })
  return batch.status === 'running' ? json(202, batch, { location: `/batches/${id}` }) : json(200, batch)
}
