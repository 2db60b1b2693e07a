import type { Context } from 'aws-lambda'
import { Problem } from '../../problem.ts'
import { type HttpAnswer, knownProblem, problemAnswer } from '../http.ts'
import type { startBatch } from '../routes/start-batch.ts'
import type { HttpEvent } from './function.ts'
import { logger } from './logger.ts'
import type { ForwardedEvent, OpenedBatch } from './open-batch.ts'

/** What records a batch, and what advances a recorded batch. */
export interface BatchMachinery {
  /** Nobody waits for the answer after `until` (epoch milliseconds). */
  open(event: ForwardedEvent, until: number): Promise<OpenedBatch>
  advance(batchId: string): Promise<void>
}

/** API Gateway's name of the route. The route itself works in the function `batch`. */
const key = 'POST /batches' satisfies `${typeof startBatch.method} ${typeof startBatch.path}`

/** Opening ends this long before Lambda ends the function, so that the batch can still be advanced, or refused. */
const reserveMs = 2500

/** What CloudWatch Logs calls a function with. */
export interface RungEvent {
  awslogs: { data: string }
}

/**
 * Has the batch of all that is due by target lags recorded and advanced, for the log line of the monitor. If that fails, Lambda
 * tries again, and the next look of the monitor calls again.
 */
export async function startDueWith(machinery: BatchMachinery, context: Context): Promise<void> {
  const until = Date.now() + context.getRemainingTimeInMillis() - reserveMs
  const event = { trigger: 'schedule', due: true }
  const { batchId } = await machinery.open({ event, requestId: context.awsRequestId }, until)
  if (batchId !== null) await machinery.advance(batchId)
}

/**
 * Records the batch that an HTTP request asks for, and has it advanced. Both may happen twice: the SDK sends a request again
 * if the answer is lost. The same key or the same forwarded request gives the same batch, and a batch that is advanced twice
 * is done once.
 */
export async function startBatchWith(
  machinery: BatchMachinery,
  event: HttpEvent,
  context: Context,
): Promise<HttpAnswer> {
  try {
    if (event.routeKey !== key) throw new Problem('UnknownRoute', `There is no route ${event.routeKey}.`)
    const until = Date.now() + context.getRemainingTimeInMillis() - reserveMs
    const { answer, batchId } = await machinery.open({ event, requestId: context.awsRequestId }, until)
    if (batchId !== null) await machinery.advance(batchId)
    return answer as HttpAnswer // only an event that did not come by HTTP has none
  } catch (thrown) {
    return problemAnswer(knownProblem(thrown, logger))
  }
}
