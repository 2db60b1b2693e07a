import type { Database } from './connect.ts'
import { openRunConnection, type RunConnection } from './run-connection.ts'

/** Connections for runs, opened before they are needed. */
export interface OpenedAhead {
  /** One for a run; another is opened in its place as long as runs are expected. */
  take(moreToCome: boolean): Promise<RunConnection>
  /** Closes those that nobody has taken. */
  close(): Promise<void>
}

/** Keeps so many connections open ahead. */
export function openAhead(database: Database, count: number): OpenedAhead {
  const ready: Promise<RunConnection>[] = []
  const open = () => {
    const connection = openRunConnection(database)
    connection.catch(() => {}) // who takes it hears of it
    ready.push(connection)
  }
  for (let opened = 0; opened < count; opened++) open()
  return {
    take(moreToCome) {
      if (ready.length === 0) open()
      const taken = ready.shift() as Promise<RunConnection>
      if (moreToCome && ready.length < count) open()
      return taken
    },
    async close() {
      const left = ready.splice(0).map((connection) => connection.then(({ leave }) => leave()))
      await Promise.allSettled(left)
    },
  }
}
