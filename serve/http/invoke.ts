import { randomUUID } from 'node:crypto'
import type { Context } from 'aws-lambda'
import { functions } from '../../src/api/functions.ts'
import type { HttpEvent } from '../../src/api/http.ts'
import type { ForwardedEvent, OpenedBatch } from '../../src/api/lambda/open-batch.ts'
import type { HttpFunctionName } from '../../src/api/routes.ts'
import type { Advancer } from '../../src/keeper/advancer.ts'
import { type Served, withConnections } from './connections.ts'

export type Handler = (event: unknown, context: Context) => Promise<unknown>

/**
 * Calls the handler of a function as Lambda does, as soon as the connections that the function needs are free. The call lives as
 * long as in Lambda.
 */
export function invoke(name: Served, handler: Handler, event: unknown): Promise<unknown> {
  return withConnections(name, () => {
    const deadline = Date.now() + functions[name].seconds * 1000
    const functionName = `viewkeeper-${name}`
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

/** The files of the functions. `start-batch` needs Step Functions in AWS; here it is made of `batch` and an advancer. */
const files = {
  api: () => import('../../functions/api.ts'),
  batch: () => import('../../functions/batch.ts'),
  create: () => import('../../functions/create.ts'),
  drop: () => import('../../functions/drop.ts'),
  refresh: () => import('../../functions/refresh.ts'),
} satisfies Record<Exclude<Served, 'start-batch'>, () => Promise<{ handler: unknown }>>

const load = async (name: keyof typeof files): Promise<Handler> => (await files[name]()).handler as Handler

/** The handlers of the functions that answer HTTP requests. This process advances the batches that requests start. */
export function servedFunctions({
  advance,
}: Pick<Advancer, 'advance'>): (name: HttpFunctionName) => Promise<Handler> {
  const machinery = {
    open: async (event: ForwardedEvent) => (await invoke('batch', await load('batch'), event)) as OpenedBatch,
    advance: async (batchId: string) => advance(batchId),
  }
  const startBatch: Handler = async (event, context) => {
    // Imported at the first request, as the files of the functions are.
    const { startBatchWith } = await import('../../src/api/lambda/start-batch.ts')
    return startBatchWith(machinery, event as HttpEvent, context)
  }
  return async (name) => (name === 'start-batch' ? startBatch : load(name))
}
