import { setTimeout as pause } from 'node:timers/promises'
import type { OpenedBatch } from '../src/edge/open-batch.ts'
import { databaseFromEnvironment } from '../src/edge/settings.ts'
import type { BatchMachinery } from '../src/edge/start-batch.ts'
import { listBatches } from '../src/operations/batches.ts'
import { type Handler, invoke, loadFunction } from './gateway/invoke.ts'

/** As long as Lambda lets a function live. */
const advanceSeconds = 900
/** As the state machine: a call that fails is made again, for a quarter of an hour. */
const pausesMs = [1, 2, 4, 8, 16, 32, ...Array(14).fill(60)].map((seconds) => seconds * 1000)

/**
 * Batches as they are here: what opens one is called directly, and what drives it on is a loop instead of a state machine, over the
 * same two functions.
 */
export function localBatches(): { startBatch: Handler; resume(): Promise<number> } {
  const machinery: BatchMachinery = {
    async open(event) {
      return (await invoke('open-batch', await loadFunction('open-batch'), event, 29)) as OpenedBatch
    },
    async drive(batchId) {
      driveOn(batchId).catch((error) => console.error(error))
    },
  }
  return {
    async startBatch(event, context) {
      // Not before somebody asks: the functions' logger takes its level when it is made.
      const { startBatchWith } = await import('../src/edge/start-batch.ts')
      return startBatchWith(machinery, event as object, context)
    },
    /** Goes on with the batches that were open when the last start ended. */
    async resume() {
      const { batches } = await listBatches(databaseFromEnvironment(), { limit: 200 })
      const open = batches.filter(({ finishedAt }) => finishedAt === null)
      for (const { id } of open) await machinery.drive(id)
      return open.length
    },
  }
}

async function driveOn(batchId: string): Promise<void> {
  const advance = await loadFunction('advance')
  for (let failures = 0; ; ) {
    try {
      const { done } = (await invoke('advance', advance, { batchId }, advanceSeconds)) as { done: boolean }
      if (done) return
      failures = 0
    } catch (error) {
      const ms = pausesMs[failures++]
      if (ms === undefined) throw error
      await pause(ms, undefined, { ref: false })
    }
  }
}
