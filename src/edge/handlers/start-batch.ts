import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import type { Context } from 'aws-lambda'
import { Problem, problemCodes } from '../../problem.ts'
import { type HttpAnswer, problemAnswer } from '../http/http.ts'
import { knownProblem } from '../server/function.ts'
import type { ForwardedEvent, OpenedBatch } from './open-batch.ts'

/** What opens a batch, and what advances one. */
export interface BatchMachinery {
  open(event: ForwardedEvent): Promise<OpenedBatch>
  advance(batchId: string): Promise<void>
}

/**
 * Opens the batch that an event asks for, and has it advanced. Both may be done again, as the SDK does where
 * an answer was lost: the same key or forwarded request gives the same batch, and one that is advanced twice is done once.
 */
export async function startBatchWith(
  machinery: BatchMachinery,
  event: object,
  context: Context,
): Promise<HttpAnswer | { batchId: string | null }> {
  const isHttp = 'routeKey' in event
  const asked = isHttp || 'trigger' in event ? event : deployEvent(context)
  try {
    const { answer, batchId } = await machinery.open({ event: asked, requestId: context.awsRequestId })
    if (batchId !== null) await machinery.advance(batchId)
    return answer ?? { batchId }
  } catch (thrown) {
    if (isHttp) return problemAnswer(knownProblem(thrown))
    throw thrown
  }
}

/** A deploy's trigger says nothing; what was deployed makes its key. */
const deployEvent = ({ awsRequestId }: Context): object => ({
  trigger: 'deploy',
  key: process.env.DEPLOYED ?? awsRequestId,
  all: true,
  ...(process.env.BATCH_CONCURRENCY === undefined
    ? {}
    : { concurrency: Number(process.env.BATCH_CONCURRENCY) }),
})

/**
 * The real ones. This function lives outside the network of the database, so that neither needs an endpoint there; what
 * the database has to say is asked of the function `open-batch` inside.
 */
export function deployedMachinery(): BatchMachinery {
  const lambda = new LambdaClient({})
  const machine = new SFNClient({})
  return {
    async open(event) {
      const { Payload, FunctionError } = await lambda.send(
        new InvokeCommand({ FunctionName: process.env.OPEN_BATCH_FUNCTION, Payload: JSON.stringify(event) }),
      )
      const answer = JSON.parse(Payload?.transformToString() || 'null')
      if (FunctionError === undefined) return answer as OpenedBatch
      const { errorType, errorMessage = 'The function open-batch failed; its log says why.' } = answer ?? {}
      throw new Problem(problemCodes.find((code) => code === errorType) ?? 'InternalError', errorMessage)
    },
    async advance(batchId) {
      const start = (name: string) =>
        machine.send(
          new StartExecutionCommand({
            stateMachineArn: process.env.STATE_MACHINE_ARN,
            name,
            input: JSON.stringify({ batchId }),
          }),
        )
      try {
        await start(batchId).catch((error) => {
          // Its execution has ended and the batch has not: it was aborted. Another one goes on where it stopped.
          if (error instanceof ExecutionAlreadyExists) return start(`${batchId}-${Date.now().toString(36)}`)
          throw error
        })
      } catch (cause) {
        throw new Problem(
          'BatchNotStarted',
          `Batch ${batchId} is on record, but its execution could not be started (${(cause as Error).name}). Send the same ` +
            `request with the same Idempotency-Key again, or cancel it: POST /batches/${batchId}/cancel.`,
          { batchId, cause },
        )
      }
    },
  }
}
