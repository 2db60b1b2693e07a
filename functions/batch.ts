import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import { answeredWithin } from '../src/api/lambda/lifetime.ts'
import type { ForwardedEvent } from '../src/api/lambda/open-batch.ts'

/** start-batch waits no longer until a batch is recorded. */
const openingMs = 26_500

/** Records a batch, for the function `start-batch` and for the state machine, which has it advanced until it is done. */
export const handler = eventFunction<ForwardedEvent | { batchId: unknown }, unknown>(
  async (event, context) => {
    if (!('batchId' in event)) {
      const { openBatch } = await import('../src/api/lambda/open-batch.ts')
      return answeredWithin(openingMs, () => openBatch(event, readConfiguration()))
    }
    const { advanceBatch } = await import('../src/api/lambda/advance.ts')
    return advanceBatch(event, context, readConfiguration())
  },
)
