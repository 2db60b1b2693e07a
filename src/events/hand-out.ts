import type { Database, Sql } from '../server/database.ts'
import { withTransaction } from '../server/transactions.ts'
import {
  endTurn,
  giveTurn,
  lockEvents,
  markTold,
  readUntoldBatches,
  readUntoldRuns,
  readWaiting,
  removeEvents,
  writeEvents,
} from './db/outbox.ts'
import type { WaitingEvent } from './plan/in-order.ts'
import { newsOfBatch, newsOfRun } from './plan/news.ts'

/** What who puts events on the bus asks for. */
export interface HandOutRequest {
  /** The token of the turn; null begins one. */
  token: string | null
  /** The numbers of the events that the bus has taken. */
  done: number[]
  /** Ends the turn: no more events are handed out. */
  stop: boolean
}

/** `busy`: somebody else is putting events on the bus, and will put these too. Without events, the turn is over. */
export type HandedOut = { busy: true } | { busy: false; token: string; events: WaitingEvent[] }

/** Of so many messages and events, each may be long, and the answer still is far below 6 MB. */
const mostOfEach = 50

/** A turn that nobody has heard of for so long is over. */
const turnSeconds = 60

/**
 * Makes events of the runs and batches that have ended, and hands out the first ones to one sender at a
 * time, so they reach the bus in order. An event is removed when its sender says that it is done. If the sender dies before, the
 * event is handed out again. A turn ends in the transaction that finds no event, so a sender that was refused has missed none.
 */
export const handOut = (
  database: Database,
  { token, done, stop }: HandOutRequest,
  environment: string | null,
): Promise<HandedOut> =>
  database.withConnection((sql) =>
    withTransaction(sql, async (transaction) => {
      const holder = await lockEvents(transaction)
      if (done.length > 0) await removeEvents(transaction, done)
      if (holder !== token && (holder !== null || token !== null)) return { busy: true }
      if (!stop) await collect(transaction, environment)
      const events = stop ? [] : await readWaiting(transaction, mostOfEach)
      if (events.length > 0)
        return { busy: false, token: await giveTurn(transaction, token, turnSeconds), events }
      if (token !== null) await endTurn(transaction)
      return { busy: false, token: token ?? '', events }
    }),
  )

/** Makes events of what has ended. */
async function collect(sql: Sql, environment: string | null): Promise<void> {
  const runs = await readUntoldRuns(sql)
  const batches = await readUntoldBatches(sql)
  const news = [
    ...runs.flatMap((run) => newsOfRun(run, environment) ?? []),
    ...batches.map((batch) => newsOfBatch(batch, environment)),
  ]
  await writeEvents(
    sql,
    news.sort((one, other) => one.at.getTime() - other.at.getTime()),
  )
  await markTold(sql, runs, batches)
}
