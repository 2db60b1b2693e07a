import { LambdaClient } from '@aws-sdk/client-lambda'
import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import { Problem, problemCodes } from '../../problem.ts'
import { clientSettings } from './aws-client.ts'
import { invokeFunction } from './invoke.ts'
import type { OpenedBatch } from './open-batch.ts'
import type { BatchMachinery } from './start-batch.ts'

/** What `start-batch` is told by environment variables. */
export interface MachineryNames {
  batchFunction: string | undefined
  stateMachineArn: string | undefined
}

export const readMachinery = (env: NodeJS.ProcessEnv = process.env): MachineryNames => ({
  batchFunction: env.BATCH_FUNCTION,
  stateMachineArn: env.STATE_MACHINE_ARN,
})

/** The last call of a function `batch` that sleeps begins this long before the time is over. */
const openingMs = 5000

/**
 * The machinery in AWS. `start-batch` runs outside the network of the database, so that this network needs no
 * endpoints for Lambda and Step Functions; the function `batch`, inside the network, talks to the
 * database.
 */
export function deployedMachinery({ batchFunction, stateMachineArn }: MachineryNames): BatchMachinery {
  const lambda = new LambdaClient(clientSettings({ requestMs: 27_000, attempts: 3 }))
  const machine = new SFNClient(clientSettings({ requestMs: 1000, attempts: 2 }))
  return {
    async open(event, until) {
      const { answer, threw } = await invokeFunction(lambda, batchFunction, event, {
        tryUntil: until - openingMs,
        until,
      })
      if (!threw) return answer as OpenedBatch
      const { errorType, errorMessage = 'The function batch failed; its log says why.' } =
        (answer as { errorType?: string; errorMessage?: string } | null) ?? {}
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
