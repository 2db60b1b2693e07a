import { setTimeout as pause } from 'node:timers/promises'
import { advance } from '../batch/advance.ts'
import type { OpenBatch } from '../batch/db/batches.ts'
import { isRefusal, Problem } from '../problem.ts'
import type { Database } from '../server/database.ts'
import { type Connections, makeTurns } from './connections.ts'
import type { Logger } from './terms.ts'

/** How a call is repeated that fails. */
interface Patience {
  /** Ends the pauses. */
  signal?: AbortSignal
  /** Whether no retry mends a failure. Default: a refusal. */
  isFinal?(error: unknown): boolean
  /** Hears of each failure that is not final. */
  onFailure?(error: Error): void
  /** How long it is tried. Default: an hour. */
  forMs?: number
  /** Whether a pause keeps the process alive. Default: false. */
  ref?: boolean
}

const longestPauseMs = 30_000

const isRefused = (error: unknown) => error instanceof Problem && isRefusal(error.code)

/** Repeats a call until it succeeds, with growing pauses. */
export async function patiently<T>(
  call: () => Promise<T>,
  { signal, isFinal = isRefused, onFailure, forMs = 3_600_000, ref = false }: Patience,
): Promise<T> {
  const until = performance.now() + forMs
  for (let pauseMs = 1000; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    try {
      return await call()
    } catch (error) {
      if (isFinal(error) || performance.now() > until) throw error
      onFailure?.(error as Error)
      await pause(pauseMs, undefined, { signal, ref })
    }
  }
}

/** Advances batches in this process, as the state machine does in AWS. */
export interface Advancer {
  /**
   * Advances a batch, and settles when it has ended, or is not advanced here any more: then rejected with the reason. Nobody has to
   * wait: the end is in the record.
   */
  advance(batchId: string): Promise<void>
  /** Begins to advance those of these open batches that nobody advances, and returns their ids. */
  takeOver(open: OpenBatch[]): string[]
}

/** The most runs that one batch has at once in this process, whatever the batch allows. */
const mostRunsAtOnce = 4

/** A batch leaves its connections to the next one after this time. */
const longestMs = 60_000

/** For so long a batch that only waits for retries is left alone: its cancel and its retries are seen then. */
const idleMs = 2000

interface AdvancerOptions {
  /** Default: 16, which advance two batches. */
  connections?: Connections | undefined
  logger: Logger
  /** After its end nothing is advanced here any more: runs go on in the server, and another process takes over. */
  signal: AbortSignal
  /** Hears of each run and batch that ends here. */
  onEnd?: (() => void) | undefined
}

export function makeAdvancer(
  database: Database,
  { connections, logger, signal, onEnd }: AdvancerOptions,
): Advancer {
  const { long, perBatch } = connections ?? { long: makeTurns(16), perBatch: 8 }
  const here = new Map<string, Promise<void>>()
  const mostAtOnce = Math.min(mostRunsAtOnce, perBatch - 2)
  const mostAhead = perBatch - 2 - mostAtOnce
  const inTurn = async (batchId: string) => {
    if (!(await long.take(signal, perBatch))) throw signal.reason
    try {
      const until = Date.now() + longestMs
      const limits = { until, mostAtOnce, mostAhead, leaveWhenIdle: true, signal }
      return await advance(batchId, { database, ...limits, onRunEnd: onEnd })
    } finally {
      long.end(perBatch)
    }
  }
  const untilDone = async (batchId: string) => {
    while (!signal.aborted) {
      const advanced = await patiently(() => inTurn(batchId), { signal })
      // The monitor of the process that leads logs the end.
      if (advanced.done) return onEnd?.()
      // A batch that only waits for retries gives its connections to other batches.
      if (advanced.idle) await pause(idleMs, undefined, { signal, ref: false })
    }
  }
  const begin = (batchId: string): Promise<void> => {
    const begun = here.get(batchId)
    if (begun !== undefined) return begun
    const done = untilDone(batchId).finally(() => here.delete(batchId))
    here.set(batchId, done)
    done.catch((error: Error) => {
      if (!signal.aborted)
        logger.error('a batch is not advanced any more', { batchId, problem: error.message })
    })
    return done
  }
  return {
    advance: begin,
    takeOver(open) {
      const left = open.flatMap(({ id, attended }) => (attended || here.has(id) ? [] : [id]))
      for (const id of left) void begin(id)
      return left
    },
  }
}
