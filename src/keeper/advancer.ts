import { setTimeout as pause } from 'node:timers/promises'
import { advance } from '../batch/advance.ts'
import type { OpenBatch } from '../batch/db/lost-batches.ts'
import type { Database } from '../server/connect.ts'
import type { Logger } from '../watch/log.ts'
import { patiently } from './patiently.ts'
import { makeTurns } from './turns.ts'

/** Advances batches in this process, as the state machine does in AWS. */
export interface Advancer {
  /** Begins to advance a batch; its end is in the record. */
  advance(batchId: string): void
  /** Begins to advance those of these open batches that nobody advances, and returns their ids. */
  takeOver(open: OpenBatch[]): string[]
}

/** So many batches advance at once: each holds a connection to decide, one to listen, two opened ahead, and one for each run. */
const mostBatches = 2

/** The most runs that one batch has at once in this process, whatever the batch allows. */
const mostRunsAtOnce = 4

/** A batch leaves its connections to the next one after this time. */
const longestMs = 60_000

/** For so long a batch that only waits for retries is left alone: its cancel and its retries are seen then. */
const idleMs = 2000

interface AdvancerOptions {
  logger: Logger
  /** After its end nothing is advanced here any more: runs go on in the server, and another process takes over. */
  signal: AbortSignal
  /** Hears of each run and batch that ends here. */
  onEnd?: (() => void) | undefined
}

export function makeAdvancer(database: Database, { logger, signal, onEnd }: AdvancerOptions): Advancer {
  const turns = makeTurns(mostBatches)
  const here = new Set<string>()
  const inTurn = async (batchId: string) => {
    await turns.take(Number.POSITIVE_INFINITY)
    try {
      const until = Date.now() + longestMs
      const limits = { until, mostAtOnce: mostRunsAtOnce, leaveWhenIdle: true, signal }
      return await advance(batchId, { database, ...limits, onRunEnd: onEnd })
    } finally {
      turns.end()
    }
  }
  const untilDone = async (batchId: string) => {
    while (!signal.aborted) {
      const advanced = await patiently(() => inTurn(batchId), { signal })
      if (advanced.done) {
        onEnd?.()
        return logger.info(`batch ${advanced.status}`, { ...advanced })
      }
      // A batch that only waits for retries gives its connections to other batches.
      if (advanced.idle) await pause(idleMs, undefined, { signal, ref: false })
    }
  }
  const begin = (batchId: string) => {
    if (here.has(batchId)) return
    here.add(batchId)
    untilDone(batchId)
      .catch((error: Error) => {
        if (!signal.aborted)
          logger.error('a batch is not advanced any more', { batchId, problem: error.message })
      })
      .finally(() => here.delete(batchId))
  }
  return {
    advance: begin,
    takeOver(open) {
      const left = open.flatMap(({ id, attended }) => (attended || here.has(id) ? [] : [id]))
      for (const id of left) begin(id)
      return left
    },
  }
}
