import { type BatchMachinery, startBatchWith } from '../src/edge/handlers/start-batch.ts'
import type { HttpAnswer, HttpEvent } from '../src/edge/http/http.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

/** Its clients of AWS are larger than all the rest. They are loaded at the first call, and kept. */
let machinery: BatchMachinery | undefined

/** Starts a batch, for the HTTP route. This is the only function outside the network of the database. */
export const handler = eventFunction<HttpEvent, HttpAnswer>(async (event, context) => {
  const { deployedMachinery, readMachinery } = await import('../src/edge/handlers/batch-machinery.ts')
  machinery ??= deployedMachinery(readMachinery())
  return startBatchWith(machinery, event, context)
})
