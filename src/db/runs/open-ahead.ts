import type { Database } from '../server/connect.ts'
import { openRunConnection, type RunConnection } from './run-connection.ts'

/** Connections for runs, opened before they are needed. */
export interface OpenedAhead {
  /** One for a run. */
  take(): Promise<RunConnection>
  /** Opens as many as are missing to this number; does not wait for them. */
  fill(count: number): void
}

/** Opens so many connections, and leaves those in the end that nobody has taken. */
export async function withOpenedAhead<T>(
  database: Database,
  count: number,
  work: (connections: OpenedAhead) => Promise<T>,
): Promise<T> {
  const ready: Promise<RunConnection>[] = []
  const open = () => {
    const connection = openRunConnection(database)
    connection.catch(() => {}) // who takes it hears of it
    ready.push(connection)
  }
  const fill = (wanted: number) => {
    while (ready.length < wanted) open()
  }
  const take = () => {
    if (ready.length === 0) open()
    return ready.shift() as Promise<RunConnection>
  }
  fill(count)
  try {
    return await work({ fill, take })
  } finally {
    await Promise.allSettled(ready.map((connection) => connection.then(({ leave }) => leave())))
  }
}
