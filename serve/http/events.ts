import { announce } from '../../src/events/announce.ts'
import { eventsWait } from '../../src/events/db/outbox.ts'
import { handOut } from '../../src/events/hand-out.ts'
import { localEnvironment } from '../../src/keeper/terms.ts'
import type { Database } from '../../src/server/connect.ts'
import { follow } from '../news/follow.ts'
import { type Listeners, makeListeners } from './listeners.ts'

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
  const put = async (events: Parameters<Listeners['send']>[0]) => {
    listeners.send(events)
    return events.map(() => null)
  }
  const follower = follow(database, ({ sql, here, inTurns }) =>
    inTurns(async () => {
      if (await eventsWait(sql))
        await announce({
          ask: (request) => handOut(here, request, localEnvironment),
          put,
          until: Number.POSITIVE_INFINITY,
        })
    }),
  )
  return {
    add: listeners.add,
    hint: listeners.hint,
    async close() {
      listeners.end()
      await follower.close()
    },
  }
}
