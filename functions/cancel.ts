import { answerBatchCancel, answerRunCancel } from '../src/edge/handlers/cancel.ts'
import { readConfiguration } from '../src/edge/server/configuration.ts'
import { httpFunction } from '../src/edge/server/function.ts'

/** Cancels a run or a batch on the server. */
export const handler = httpFunction<'cancel'>(readConfiguration, {
  cancelRun: answerRunCancel,
  cancelBatch: answerBatchCancel,
})
