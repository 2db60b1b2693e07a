import { LambdaClient } from '@aws-sdk/client-lambda'
import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import type { Context } from 'aws-lambda'
import { Problem } from '../../words/problem.ts'
import { type HttpAnswer, knownProblem, problemAnswer } from '../http.ts'
import type { startBatch } from '../routes/start-batch.ts'
import { clientSettings } from './aws-client.ts'
import type { HttpEvent } from './function.ts'
import { invokeFunction } from './invoke.ts'
import { endOfWork, logger } from './lifetime.ts'
import type { ForwardedEvent, OpenedBatch } from './open-batch.ts'

/** What records a batch, and what advances a recorded batch. */
export interface BatchMachinery {
  /** Nobody waits for the answer after `until` (epoch milliseconds). */
  open(event: ForwardedEvent, until: number): Promise<OpenedBatch>
  advance(batchId: string): Promise<void>
}

/** The last call of a function `batch` that sleeps begins this long before the time is over. */
const openingMs = 5000

/**
 * The machinery in AWS, as the environment variables name it. `start-batch` runs outside the network of the database, so that this
 * network needs no endpoints for Lambda and Step Functions; the function `batch`, inside the network, talks to the database.
 */
export function deployedMachinery(
  { BATCH_FUNCTION, STATE_MACHINE_ARN }: NodeJS.ProcessEnv = process.env,
): BatchMachinery {
  const lambda = new LambdaClient(clientSettings({ requestMs: 27_000, attempts: 3 }))
  const machine = new SFNClient(clientSettings({ requestMs: 1000, attempts: 2 }))
  return {
    open: (event, until) =>
      invokeFunction(lambda, BATCH_FUNCTION, event, { tryUntil: until - openingMs, until }),
    async advance(batchId) {
      const input = JSON.stringify({ batchId })
      const start = (name: string) =>
        machine.send(new StartExecutionCommand({ stateMachineArn: STATE_MACHINE_ARN, name, input }))
      try {
        await start(batchId).catch((error) => {
          // The execution was aborted before the batch ended. A new execution goes on where the old one
          // stopped.
          if (error instanceof ExecutionAlreadyExists) return start(`${batchId}-${Date.now().toString(36)}`)
          throw error
        })
      } catch (cause) {
        throw new Problem(
          'BatchNotStarted',
          `Batch ${batchId} is on record, but its execution could not be started (${(cause as Error).name}). Send the same ` +
            `request with the same Idempotency-Key again, or cancel the batch: POST /batches/${batchId}/cancel.`,
          { batchId, cause },
        )
      }
    },
  }
}

let deployed: BatchMachinery | undefined

/** Answers the HTTP route, and `send`. The clients are kept from call to call. */
export async function answerStart(
  event: HttpEvent | DueEvent,
  context: Context,
): Promise<HttpAnswer | undefined> {
  deployed ??= deployedMachinery()
  if (!('due' in event)) return startBatchWith(deployed, event, context)
  await startDueWith(deployed, context)
  return undefined
}

/** API Gateway's name of the route. The route itself works in the function `batch`. */
const key = 'POST /batches' satisfies `${typeof startBatch.method} ${typeof startBatch.path}`

/** Opening ends this long before Lambda ends the function, so that the batch can still be advanced, or refused. */
const reserveMs = 2500

/** What `send` calls it with. */
export interface DueEvent {
  due: true
}

/**
 * Has the batch of all that is due by target lags recorded and advanced. If that fails, Lambda tries again, and the next look of the
 * monitor asks again.
 */
export async function startDueWith(machinery: BatchMachinery, context: Context): Promise<void> {
  const until = endOfWork(context, reserveMs)
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
    const until = endOfWork(context, reserveMs)
    const { answer, batchId } = await machinery.open({ event, requestId: context.awsRequestId }, until)
    if (batchId !== null) await machinery.advance(batchId)
    return answer as HttpAnswer // only an event that did not come by HTTP has none
  } catch (thrown) {
    return problemAnswer(knownProblem(thrown, logger))
  }
}
