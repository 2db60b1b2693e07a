import { randomUUID } from 'node:crypto'
import type { Context } from 'aws-lambda'
import { type FunctionName, functions } from '../../src/edge/functions.ts'
import { type Caller, withConnections } from './connections.ts'

export type Handler = (event: unknown, context: Context) => Promise<unknown>

/**
 * Calls the handler of a function as Lambda does, as soon as the connections that the function needs are free. The call lives as
 * long as in Lambda, unless its connections are for a shorter time.
 */
export function invoke(name: Caller, handler: Handler, event: unknown): Promise<unknown> {
  return withConnections(name, (longestSeconds) => {
    const { seconds } = functions[name === 'advance' ? 'batch' : name]
    const deadline = Date.now() + Math.min(seconds, longestSeconds) * 1000
    const functionName = `viewkeeper-local-${name}`
    return handler(event, {
      awsRequestId: randomUUID(),
      callbackWaitsForEmptyEventLoop: true,
      functionName,
      functionVersion: '$LATEST',
      invokedFunctionArn: `arn:aws:lambda:us-east-1:000000000000:function:${functionName}`,
      logGroupName: `/aws/lambda/${functionName}`,
      logStreamName: 'local',
      memoryLimitInMB: '512',
      getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
      done() {},
      fail() {},
      succeed() {},
    })
  })
}

/** The functions that run here. Batches are started without `start-batch`, which needs Step Functions. */
const files = {
  api: () => import('../../functions/api.ts'),
  batch: () => import('../../functions/batch.ts'),
  create: () => import('../../functions/create.ts'),
  drop: () => import('../../functions/drop.ts'),
  monitor: () => import('../../functions/monitor.ts'),
  refresh: () => import('../../functions/refresh.ts'),
} satisfies Partial<Record<FunctionName, () => Promise<{ handler: unknown }>>>

/** The handler of a file in `functions/`. */
export async function loadFunction(name: keyof typeof files): Promise<Handler> {
  const { handler } = await files[name]()
  return handler as Handler
}
