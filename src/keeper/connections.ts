import type { Problem } from '../problem.ts'
import type { Database } from '../server/database.ts'

/** A limit on how much is done at once. Callers get their turns in the order in which they came. */
export interface Turns {
  /** Waits for a turn; a heavy one counts as several. False if none has come when this is aborted. */
  take(until?: AbortSignal, weight?: number): Promise<boolean>
  /** Gives a turn back. */
  end(weight?: number): void
}

export function makeTurns(atOnce: number): Turns {
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
  brief?: Turns
  /** For operations and batches. */
  long: Turns
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
export const withTurns = (database: Database, turns: Turns): Database => ({
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
