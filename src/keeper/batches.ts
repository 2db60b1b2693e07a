import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Advanced } from '../batch/advance.ts'
import type { OpenBatch } from '../batch/db/lost-batches.ts'
import { listOpenBatches } from '../batch/read.ts'
import type { ForwardedEvent, OpenedBatch } from '../edge/handlers/open-batch.ts'
import type { BatchMachinery } from '../edge/handlers/start-batch.ts'
import type { HttpEvent } from '../edge/http/http.ts'
import type { HttpFunctionName } from '../edge/http/routes.ts'
import { isRefusal, Problem } from '../problem.ts'
import type { Database } from '../server/connect.ts'
import { type Handler, invoke, loadFunction } from '../../serve/http/invoke.ts'

/** The pauses before a failed call is repeated, as in the state machine: an hour in all. */
const pausesMs = [1, 2, 4, 8, 16, 32, ...Array(60).fill(60)].map((seconds) => seconds * 1000)

export interface LocalBatches {
  startBatch: Handler
  /**
   * Opens the batch that an event of a schedule or of a deploy asks for, and has it advanced. Returns the id of the batch;
   * null if nothing has to be advanced.
   */
  execute(event: object): Promise<string | null>
  /**
   * Advances all open batches of the last start: nobody else uses the embedded database. Returns their
   * number.
   */
  resume(): Promise<number>
  /**
   * Advances the open batches that nobody advances, on a database that others use, too. Watches the other
   * open batches. If a batch is no longer advanced by anybody, advances it, and calls `onResume` with its id.
   */
  resumeUnattended(onResume: (batchId: string) => void): Promise<{ resumed: number; watched: number }>
}

const watchIntervalMs = 1000

/** For so long a batch that only waits for retries is left alone: its cancel and its retries are seen then. */
const idleMs = 2000

/**
 * Starts and advances batches in this process: the same function as in AWS, and a loop instead of the
 * state machine.
 */
export function localBatches(database: Database): LocalBatches {
  const open = async (event: ForwardedEvent) =>
    (await invoke('batch', await loadFunction('batch'), event)) as OpenedBatch
  const machinery: BatchMachinery = {
    open,
    async advance(batchId) {
      advanceUntilDone(batchId).catch((error) => console.error(error))
    },
  }
  return {
    async startBatch(event, context) {
      // Imported only now: the functions' logger reads its level from the environment when it is loaded.
      const { startBatchWith } = await import('../edge/handlers/start-batch.ts')
      return startBatchWith(machinery, event as HttpEvent, context)
    },
    async execute(event) {
      const forwarded = { event, requestId: randomUUID() }
      const { batchId } = await patiently(() => open(forwarded))
      if (batchId !== null) await machinery.advance(batchId)
      return batchId
    },
    async resume() {
      const open = await listOpenBatches(database)
      for (const { id } of open) await machinery.advance(id)
      return open.length
    },
    async resumeUnattended(onResume) {
      const { left, watched } = split(await listOpenBatches(database))
      for (const id of left) await machinery.advance(id)
      void watch(database, watched, async (id) => {
        await machinery.advance(id)
        onResume(id)
      })
      return { resumed: left.length, watched: watched.size }
    },
  }
}

/** The functions as `npm start` serves them: `start-batch` works without Lambda and Step Functions. */
export const localFunctions =
  ({ startBatch }: Pick<LocalBatches, 'startBatch'>) =>
  async (name: HttpFunctionName): Promise<Handler> =>
    name === 'start-batch' ? startBatch : loadFunction(name)

function split(open: OpenBatch[]): { left: string[]; watched: Set<string> } {
  const ids = (attended: boolean) => open.filter((each) => each.attended === attended).map(({ id }) => id)
  return { left: ids(false), watched: new Set(ids(true)) }
}

/** Watches batches until each has ended, or nobody advances it any more. */
async function watch(
  database: Database,
  batches: Set<string>,
  onLeft: (id: string) => Promise<void>,
): Promise<void> {
  let watched = batches
  while (watched.size > 0) {
    await pause(watchIntervalMs, undefined, { ref: false })
    try {
      const open = await listOpenBatches(database)
      const now = split(open.filter(({ id }) => watched.has(id)))
      watched = now.watched
      for (const id of now.left) await onLeft(id)
    } catch {} // the database cannot be reached now: the next turn tries again
  }
}

async function advanceUntilDone(batchId: string): Promise<void> {
  const batch = await loadFunction('batch')
  const call = async () => (await invoke('advance', batch, { batchId, leaveWhenIdle: true })) as Advanced
  for (;;) {
    const advanced = await patiently(call)
    if (advanced.done) return
    // A batch that only waits for retries gives its connections to other batches.
    if (advanced.idle) await pause(idleMs, undefined, { ref: false })
  }
}

/** Repeats a call that fails, unless no retry mends the failure. */
async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await call()
    } catch (error) {
      const ms = pausesMs[failures]
      if (ms === undefined || (error instanceof Problem && isRefusal(error.code))) throw error
      await pause(ms, undefined, { ref: false })
    }
  }
}
