import { deployedMachinery, readMachinery, startBatchWith } from '../src/edge/handlers/start-batch.ts'
import type { HttpAnswer, HttpEvent } from '../src/edge/http/http.ts'
import { eventFunction } from '../src/edge/lambda/function.ts'

const machinery = deployedMachinery(readMachinery())

/** Starts a batch, for the HTTP route. This is the only function outside the network of the database. */
export const handler = eventFunction<HttpEvent, HttpAnswer>((event, context) =>
  startBatchWith(machinery, event, context),
)
