import type { Database } from '../server/connect.ts'
import { makeTurns, type Turns } from './turns.ts'

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
export const perOperation = 2

/** The fewest connections that do everything: one leads, one is brief, and three advance a batch. */
export const fewestConnections = 5

/** The shares of so many connections. While a batch is advanced, there is room for an operation, if there are eight or more. */
export function shareConnections(most: number): Required<Connections> {
  const brief = Math.max(1, Math.floor(most * 0.3))
  const long = most - 1 - brief
  const perBatch = Math.min(8, Math.max(3, long - perOperation))
  return { brief: makeTurns(brief), long: makeTurns(long), perBatch }
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
