import type { HttpAnswer } from '../src/api/http.ts'
import type { HttpEvent } from '../src/api/lambda/function.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import {
  type BatchMachinery,
  type RungEvent,
  startBatchWith,
  startDueWith,
} from '../src/api/lambda/start-batch.ts'

/** Its clients of AWS are larger than all the rest. They are loaded at the first call, and kept. */
let machinery: BatchMachinery | undefined

/**
 * Starts a batch, for the HTTP route and for the log line of the monitor. This is the only function outside the network of the
 * database that does so.
 */
export const handler = eventFunction<HttpEvent | RungEvent, HttpAnswer | undefined>(
  async (event, context) => {
    const { deployedMachinery, readMachinery } = await import('../src/api/lambda/batch-machinery.ts')
    machinery ??= deployedMachinery(readMachinery())
    if (!('awslogs' in event)) return startBatchWith(machinery, event, context)
    await startDueWith(machinery, context)
    return undefined
  },
)
