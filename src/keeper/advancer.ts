import { setTimeout as pause } from 'node:timers/promises'
import { advance } from '../batch/advance.ts'
import type { OpenBatch } from '../record/batches/batches.ts'
import type { Database } from '../server/database.ts'
import { isRefusal, Problem } from '../words/problem.ts'
import type { Logger } from './terms.ts'

/** A limit on how much is done at once. Callers get their turns in the order in which they came. */
interface TurnQueue {
  /** Waits for a turn; a heavy one counts as several. False if none has come when this is aborted. */
  take(until?: AbortSignal, weight?: number): Promise<boolean>
  /** Gives a turn back. */
  end(weight?: number): void
}

export function makeTurns(atOnce: number): TurnQueue {
  let free = atOnce
  const waiting: { weight: number; begin(): void }[] = []
  const beginNext = () => {
    for (let [next] = waiting; next !== undefined && next.weight <= free; [next] = waiting) {
      waiting.shift()
      free -= next.weight
      next.begin()
    }
  }
  return {
    take(until, weight = 1) {
      if (until?.aborted) return Promise.resolve(false)
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const begin = () => {
        until?.removeEventListener('abort', leave)
        resolve(true)
      }
      const mine = { weight, begin }
      const leave = () => {
        waiting.splice(waiting.indexOf(mine), 1)
        resolve(false)
        beginNext()
      }
      until?.addEventListener('abort', leave, { once: true })
      waiting.push(mine)
      beginNext()
      return promise
    },
    end(weight = 1) {
      free += weight
      beginNext()
    },
  }
}

/**
 * The connections of one process, shared by what uses them. Who needs several takes all of them at once: a call that held one and
 * waited for another could wait for ever.
 */
export interface Connections {
  /** For work that is soon over, which does not wait for long runs; undefined: it needs no turn. */
  brief?: TurnQueue
  /** For operations and batches. */
  long: TurnQueue
  /** So many of `long` one batch takes: one to decide, one to listen, and those of its runs. */
  perBatch: number
}

/** An operation plans and watches on one connection, and the server executes its run on another. */
const perOperation = 2

/** The fewest connections that do everything: one leads, one is brief, and three advance a batch. */
export const fewestConnections = 5

/** The shares of so many connections. While a batch is advanced, there is room for an operation, if there are eight or more. */
export function shareConnections(most: number): Required<Connections> {
  const brief = Math.max(1, Math.floor(most * 0.3))
  const long = most - 1 - brief
  const perBatch = Math.min(8, Math.max(3, long - perOperation))
  return { brief: makeTurns(brief), long: makeTurns(long), perBatch }
}

/** Does this once the connections that it needs are free. Throws what `refused` gives if they are not before the signal. */
export async function inTurn<T>(
  { brief, long }: Required<Pick<Connections, 'brief' | 'long'>>,
  isLong: boolean,
  { until, refused }: { until: AbortSignal; refused(): Problem },
  work: () => Promise<T>,
): Promise<T> {
  const [turns, weight] = isLong ? [long, perOperation] : [brief, 1]
  if (!(await turns.take(until, weight))) throw refused()
  try {
    return await work()
  } finally {
    turns.end(weight)
  }
}

/** The same database, each of whose pieces of work waits for its turn. */
export const withTurns = (database: Database, turns: TurnQueue): Database => ({
  ...database,
  async withConnection(work, options) {
    await turns.take()
    try {
      return await database.withConnection(work, options)
    } finally {
      turns.end()
    }
  },
})

/** How a call is repeated that fails. */
interface RepeatPatience {
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
  { signal, isFinal = isRefused, onFailure, forMs = 3_600_000, ref = false }: RepeatPatience,
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
  /** Does this once the connections that an operation needs are free. */
  operate<T>(work: (database: Database) => Promise<T>): Promise<T>
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
    async operate(work) {
      if (!(await long.take(signal, perOperation))) throw signal.reason
      try {
        return await work(database)
      } finally {
        long.end(perOperation)
        onEnd?.()
      }
    },
  }
}
