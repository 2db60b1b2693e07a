import { setTimeout as pause } from 'node:timers/promises'
import type { OpenBatch } from '../../src/db/batches/lost-batches.ts'
import type { OpenedBatch } from '../../src/edge/handlers/open-batch.ts'
import type { BatchMachinery } from '../../src/edge/handlers/start-batch.ts'
import { databaseFromEnvironment } from '../../src/edge/server/configuration.ts'
import { listOpenBatches } from '../../src/operations/batches/read.ts'
import { type Handler, invoke, loadFunction } from './invoke.ts'

/** As long as Lambda lets a function live. */
const advanceSeconds = 900
/** As the state machine: a call that fails is made again, for a quarter of an hour. */
const pausesMs = [1, 2, 4, 8, 16, 32, ...Array(14).fill(60)].map((seconds) => seconds * 1000)

interface LocalBatches {
  startBatch: Handler
  /** Goes on with the batches that were open when the last start ended: with all, where nobody else can drive them. */
  resume(): Promise<number>
  /**
   * The same on a database that others use, too: only with those that nobody advances. The rest is watched, and `onResume`
   * told when one goes on here after all.
   */
  resumeUnattended(onResume: (batchId: string) => void): Promise<{ resumed: number; watched: number }>
}

const lookAgainMs = 1000

/**
 * Batches as they are here: what opens one is called directly, and what advances it is a loop instead of a state machine, over the
 * same two functions.
 */
export function localBatches(): LocalBatches {
  const machinery: BatchMachinery = {
    async open(event) {
      return (await invoke('open-batch', await loadFunction('open-batch'), event, 29)) as OpenedBatch
    },
    async advance(batchId) {
      driveOn(batchId).catch((error) => console.error(error))
    },
  }
  return {
    async startBatch(event, context) {
      // Not before somebody asks: the functions' logger takes its level when it is made.
      const { startBatchWith } = await import('../../src/edge/handlers/start-batch.ts')
      return startBatchWith(machinery, event as object, context)
    },
    async resume() {
      const open = await listOpenBatches(databaseFromEnvironment())
      for (const { id } of open) await machinery.advance(id)
      return open.length
    },
    async resumeUnattended(onResume) {
      const { left, watched } = split(await listOpenBatches(databaseFromEnvironment()))
      for (const id of left) await machinery.advance(id)
      void watch(watched, async (id) => {
        await machinery.advance(id)
        onResume(id)
      })
      return { resumed: left.length, watched: watched.size }
    },
  }
}

function split(open: OpenBatch[]): { left: string[]; watched: Set<string> } {
  const ids = (attended: boolean) => open.filter((each) => each.attended === attended).map(({ id }) => id)
  return { left: ids(false), watched: new Set(ids(true)) }
}

/** Looks at batches until each has ended or was left by who advanced it. */
async function watch(batches: Set<string>, onLeft: (id: string) => Promise<void>): Promise<void> {
  let watched = batches
  while (watched.size > 0) {
    await pause(lookAgainMs, undefined, { ref: false })
    try {
      const open = await listOpenBatches(databaseFromEnvironment())
      const now = split(open.filter(({ id }) => watched.has(id)))
      watched = now.watched
      for (const id of now.left) await onLeft(id)
    } catch {} // the database is away: it is looked at again
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
