import { setTimeout as pause } from 'node:timers/promises'
import type { Database } from './connect.ts'
import { mayConnectLater } from './failures.ts'

const pauseMs = 1000

/** Connects until the server lets us in, or the time (epoch milliseconds) is over. What waiting does not mend is thrown at once. */
export async function untilAwake(database: Database, until: number): Promise<void> {
  for (;;) {
    try {
      return await database.withConnection(async () => {})
    } catch (error) {
      if (!mayConnectLater(error) || Date.now() + pauseMs > until) throw error
    }
    await pause(pauseMs)
  }
}
