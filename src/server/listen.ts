import { Problem } from '../words/problem.ts'
import type { Database, Sql } from './database.ts'

/** The channel of notifications that a run has ended; the payload is the run's id. */
export const runChannel = 'viewkeeper'

/** The connection that listens. */
export interface Listening {
  /** May also execute queries. Notifications that come during a query are received after it. */
  sql: Sql
  /** Throws if the connection has broken, because no notification would come any more. */
  insistOnHearing(): void
  /** Gives the connection up to another use: from now on nothing is heard, and `sql` fails. */
  leave(): Promise<void>
}

/** Anybody may notify, as often as it likes: what is heard is told at most so often. */
const tellEveryMs = 100

/** Calls at once, and then at most once in so long, however often it is asked to. */
function atMostEvery(ms: number, call: () => void): () => void {
  let isAsked = false
  let timer: NodeJS.Timeout | undefined
  return function ask() {
    isAsked = true
    if (timer !== undefined) return
    isAsked = false
    call()
    timer = setTimeout(() => {
      timer = undefined
      if (isAsked) ask()
    }, ms).unref()
  }
}

/**
 * During `work`, calls `onEnd` soon after any run ends, and when the connection breaks. With `instead`, if the server lets
 * no more connections in, nothing is heard, and `instead` executes the queries.
 */
export async function whileListening<T>(
  database: Database,
  onEnd: () => void,
  work: (listening: Listening) => Promise<T>,
  instead?: Sql,
): Promise<T> {
  const onNotify = atMostEvery(tellEveryMs, onEnd)
  const opened = await database
    .open({ application_name: 'viewkeeper listening' }, onNotify)
    .catch((error) => {
      if (instead && error instanceof Problem && error.code === 'TooManyConnections') return null
      throw error
    })
  if (opened === null) return work({ sql: instead!, insistOnHearing() {}, leave: async () => {} })
  const { sql, leave, broken } = opened
  let hears = true
  void broken.then(() => {
    hears = false
    onEnd()
  })
  const insistOnHearing = () => {
    if (!hears)
      throw new Problem(
        'DatabaseUnavailable',
        'The connection that listens for the ends of runs broke. Try again.',
      )
  }
  try {
    await sql.unsafe(`listen ${runChannel}`).simple()
    return await work({ sql, insistOnHearing, leave })
  } finally {
    await leave()
  }
}
