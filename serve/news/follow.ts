import { makeWake } from '../../src/batch/advance.ts'
import { eventsWait } from '../../src/events/db/outbox.ts'
import type { Database, Sql } from '../../src/server/database.ts'
import { whileListening } from '../../src/server/listen.ts'

/** The end of a run is heard at once. The ends of batches, lost runs and incidents are seen within this time. */
const lookEveryMs = 2000
/** A run whose rows are still being counted is soon an event. */
const lookAgainMs = 250

/** A connection that hears of the ends of runs. */
interface Following {
  sql: Sql
  /** The database by this connection alone. */
  here: Database
  isStopped(): boolean
  /** Takes a turn at once, and again whenever there may be news, until it is stopped. */
  inTurns(turn: () => Promise<void>): Promise<void>
}

/** What follows the news of a database. */
export interface Follower {
  /** Asks for a turn now. */
  ring(): void
  /** Ends the work and its connection. */
  close(): Promise<void>
}

/** Works on one connection until it is closed. A connection that breaks is told, and opened again. */
export function follow(
  database: Database,
  work: (following: Following) => Promise<void>,
  onBroken: (error: Error) => void = () => {},
): Follower {
  const wake = makeWake()
  let stopped = false
  const session = () =>
    whileListening(database, wake.ring, ({ sql, insistOnHearing }) =>
      work({
        sql,
        here: { ...database, withConnection: (each) => each(sql, async () => {}) },
        isStopped: () => stopped,
        async inTurns(turn) {
          while (!stopped) {
            insistOnHearing()
            await turn()
            await wake.wait((await eventsWait(sql)) ? lookAgainMs : lookEveryMs)
          }
        },
      }),
    )
  const sessions = async () => {
    while (!stopped) {
      await session().catch(onBroken)
      if (!stopped) await wake.wait(lookEveryMs)
    }
  }
  const done = sessions()
  return {
    ring: wake.ring,
    async close() {
      stopped = true
      wake.ring()
      await done
    },
  }
}
