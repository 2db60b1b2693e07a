import { cancelBatch } from '../../operations/batches/cancel.ts'
import { cancel } from '../../operations/runs/cancel.ts'
import { type HttpAnswer, type HttpEvent, json, waitUntilOf } from '../http/http.ts'
import { batchPath, runPath } from '../http/schemas.ts'
import { validate } from '../http/validate.ts'
import { databaseFromEnvironment } from '../server/configuration.ts'

/** A server process ends its statement within milliseconds of being told; this long we wait to see it. */
const leastWaitMs = 3000

/** `POST /runs/{id}/cancel`: 200 once the record says how it ended, 202 and where to look before. */
export async function cancelOverHttp(event: HttpEvent): Promise<HttpAnswer> {
  const { id } = validate(runPath, event.pathParameters, 'path')
  const waitUntil = Math.max(waitUntilOf(event), event.requestContext.timeEpoch + leastWaitMs)
  const result = await cancel(id, { database: databaseFromEnvironment(), waitUntil })
  return result.status === 'running'
    ? json(202, result, { location: `/runs/${result.runId}` })
    : json(200, result)
}

/** `POST /batches/{id}/cancel`: 200 once it has ended, 202 and where to look before. */
export async function cancelBatchOverHttp(event: HttpEvent): Promise<HttpAnswer> {
  const { id } = validate(batchPath, event.pathParameters, 'path')
  const waitUntil = Math.max(waitUntilOf(event), event.requestContext.timeEpoch + leastWaitMs)
  const batch = await cancelBatch(id, { database: databaseFromEnvironment(), waitUntil })
  return batch.status === 'running' ? json(202, batch, { location: `/batches/${id}` }) : json(200, batch)
}
