import type { Database } from '../server/connect.ts'
import { openRunConnection, type RunConnection } from './run-connection.ts'

/** Connections for runs, opened before they are needed. */
export interface OpenedAhead {
  /** Gives a connection for one run. */
  take(): Promise<RunConnection>
  /** Opens connections until `count` are ready; does not wait for them. */
  fill(count: number): void
}

/** Opens `count` connections ahead, and closes at the end those that nobody has taken. */
export async function withOpenedAhead<T>(
  database: Database,
  count: number,
  work: (connections: OpenedAhead) => Promise<T>,
): Promise<T> {
  const ready: Promise<RunConnection>[] = []
  const open = () => {
    const connection = openRunConnection(database)
    connection.catch(() => {}) // the caller of `take` gets the error
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
