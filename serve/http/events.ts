import { makeWake } from '../../src/batch/wake.ts'
import { localEnvironment } from '../../src/edge/lambda/configuration.ts'
import { announce } from '../../src/events/announce.ts'
import { eventsWait } from '../../src/events/db/outbox.ts'
import { handOut } from '../../src/events/hand-out.ts'
import type { Database } from '../../src/server/connect.ts'
import { whileListening } from '../../src/server/listen.ts'
import { type Listeners, makeListeners } from './listeners.ts'

/** The end of a run is heard at once. The ends of batches, lost runs and troubles are seen within this time. */
const lookEveryMs = 2000

/** A run whose rows are still being counted is soon an event. */
const lookAgainMs = 250

/** The events of the embedded database: callers of `GET /events` stand for the bus. */
export interface LocalEvents extends Omit<Listeners, 'send' | 'end'> {
  /** Ends the streams and the connection. */
  close(): Promise<void>
}

/**
 * Hands the events of the database to its listeners, as `announce` puts them on the bus of a deployed environment. Works on
 * one connection, however many listen; a broken one is opened again. The database must be nobody else's: events that were
 * handed out here would never come to its bus.
 */
export function startEvents(database: Database): LocalEvents {
  const listeners = makeListeners()
  const wake = makeWake()
  let stopped = false
  const put = async (events: Parameters<Listeners['send']>[0]) => {
    listeners.send(events)
    return events.map(() => null)
  }
  const follow = () =>
    whileListening(database, wake.ring, async ({ sql, insistOnHearing }) => {
      const here: Database = { ...database, withConnection: (work) => work(sql, async () => {}) }
      while (!stopped) {
        insistOnHearing()
        if (await eventsWait(sql))
          await announce({
            ask: (request) => handOut(here, request, localEnvironment),
            put,
            until: Number.POSITIVE_INFINITY,
          })
        await wake.wait((await eventsWait(sql)) ? lookAgainMs : lookEveryMs)
      }
    })
  const work = async () => {
    while (!stopped) {
      await follow().catch(() => {}) // the database cannot be reached now: the next turn tries again
      if (!stopped) await wake.wait(lookEveryMs)
    }
  }
  const done = work()
  return {
    add: listeners.add,
    hint: listeners.hint,
    async close() {
      listeners.end()
      stopped = true
      wake.ring()
      await done
    },
  }
}
