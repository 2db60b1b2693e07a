import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import type { Context } from 'aws-lambda'
import { Problem, problemCodes } from '../../problem.ts'
import { type HttpAnswer, problemAnswer } from '../http/http.ts'
import { knownProblem } from '../lambda/function.ts'
import type { ForwardedEvent, OpenedBatch } from './open-batch.ts'

/** What records a batch, and what advances a recorded batch. */
export interface BatchMachinery {
  open(event: ForwardedEvent): Promise<OpenedBatch>
  advance(batchId: string): Promise<void>
}

/** What `start-batch` is told by environment variables. */
export interface StarterConfiguration {
  openBatchFunction: string | undefined
  stateMachineArn: string | undefined
  /** A hash of what the deploy has brought: the idempotency key of the batch that the deploy starts. */
  deployed: string | undefined
  /** The number of views that the batch of a deploy refreshes at once. */
  batchConcurrency: number | undefined
}

export const readStarterConfiguration = (env: NodeJS.ProcessEnv = process.env): StarterConfiguration => ({
  openBatchFunction: env.OPEN_BATCH_FUNCTION,
  stateMachineArn: env.STATE_MACHINE_ARN,
  deployed: env.DEPLOYED,
  batchConcurrency: env.BATCH_CONCURRENCY === undefined ? undefined : Number(env.BATCH_CONCURRENCY),
})

/**
 * Records the batch that an event requests, and has it advanced. Both may happen twice: the SDK sends a
 * request again if the answer is lost. The same key or the same forwarded request gives the same batch, and a
 * batch that is advanced twice is done once.
 */
export async function startBatchWith(
  machinery: BatchMachinery,
  event: object,
  context: Context,
  configuration: Partial<Pick<StarterConfiguration, 'deployed' | 'batchConcurrency'>> = {},
): Promise<HttpAnswer | { batchId: string | null }> {
  const isHttp = 'routeKey' in event
  const request = isHttp || 'trigger' in event ? event : deployEvent(context, configuration)
  try {
    const { answer, batchId } = await machinery.open({ event: request, requestId: context.awsRequestId })
    if (batchId !== null) await machinery.advance(batchId)
    return answer ?? { batchId }
  } catch (thrown) {
    if (isHttp) return problemAnswer(knownProblem(thrown))
    throw thrown
  }
}

/** A deploy sends an empty event; what it has deployed is the key. */
const deployEvent = (
  { awsRequestId }: Context,
  { deployed, batchConcurrency }: Partial<StarterConfiguration>,
): object => ({
  trigger: 'deploy',
  key: deployed ?? awsRequestId,
  all: true,
  ...(batchConcurrency === undefined ? {} : { concurrency: batchConcurrency }),
})

/**
 * The machinery in AWS. `start-batch` runs outside the network of the database, so that this network needs no
 * endpoints for Lambda and Step Functions; the function `open-batch`, inside the network, talks to the
 * database.
 */
export function deployedMachinery({
  openBatchFunction,
  stateMachineArn,
}: Pick<StarterConfiguration, 'openBatchFunction' | 'stateMachineArn'>): BatchMachinery {
  const lambda = new LambdaClient({})
  const machine = new SFNClient({})
  return {
    async open(event) {
      const { Payload, FunctionError } = await lambda.send(
        new InvokeCommand({ FunctionName: openBatchFunction, Payload: JSON.stringify(event) }),
      )
      const answer = JSON.parse(Payload?.transformToString() || 'null')
      if (FunctionError === undefined) return answer as OpenedBatch
      const { errorType, errorMessage = 'The function open-batch failed; its log says why.' } = answer ?? {}
      throw new Problem(problemCodes.find((code) => code === errorType) ?? 'InternalError', errorMessage)
    },
    async advance(batchId) {
      const start = (name: string) =>
        machine.send(new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify({ batchId }) }))
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
