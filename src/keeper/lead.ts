import { setTimeout as pause } from 'node:timers/promises'
import { Problem } from '../problem.ts'
import type { Database, Sql } from '../server/connect.ts'
import { withDeadline } from '../server/deadline.ts'
import { problemOf } from '../server/failures.ts'
import { reservedKeys, runLockClass } from '../server/lock-keys.ts'

/**
 * The server ends the session of a copy from which it has heard nothing for so long, and another copy leads: a process that is
 * frozen, or a network that is cut, gives the lock up by itself no earlier than TCP does.
 */
const silenceMs = 9000

/** The leader believes that it leads for so long after it last asked. Less than `silenceMs`: there are never two. */
const trustMs = 7000

/** So often the leader asks the server for the time, and the other copies ask for the lock. */
export const askEveryMs = 2000

const answerWithinMs = 4000
const longestPauseMs = 10_000

/** The copy that leads. */
export interface Leader {
  /** What queries on its connection answer, within some seconds. Throws if this copy leads no longer. */
  ask<T>(query: (sql: Sql) => Promise<T>): Promise<T>
  /** Ends when this copy leads no longer, or is to stop. */
  signal: AbortSignal
}

/** What a copy does. `cut off`: it cannot reach the database, and tries again. */
export type Standing = 'leads' | 'follows' | 'cut off'

interface LeadOptions {
  signal: AbortSignal
  /** Hears of each change. */
  onStanding(standing: Standing, why?: unknown): void
  work(leader: Leader): Promise<void>
}

/** Does `work` whenever this copy leads all processes on the database, until `signal`. Holds one connection. */
export async function leadInTurn(
  database: Database,
  { signal, onStanding, work }: LeadOptions,
): Promise<void> {
  let before: Standing | undefined
  const stand = (now: Standing, why?: unknown) => {
    if (now !== before && !signal.aborted) onStanding(now, why)
    before = now
  }
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      await withSession(database, async (sql) => {
        while (!(await answered(tryToLead(sql)))) {
          stand('follows')
          failures = 0
          await pause(askEveryMs, undefined, { signal })
        }
        stand('leads')
        failures = 0
        await whileTrusted(sql, signal, work)
      })
    } catch (error) {
      stand('cut off', problemOf(error))
      await pause(Math.min(longestPauseMs, 1000 * 2 ** failures), undefined, { signal }).catch(() => {})
    }
  }
}

/** A session of its own, which the server ends after `silenceMs` without a query. */
async function withSession(database: Database, work: (sql: Sql) => Promise<void>): Promise<void> {
  const { sql, leave } = await database.open({
    application_name: 'viewkeeper leading',
    idle_session_timeout: String(silenceMs),
    statement_timeout: String(answerWithinMs),
  })
  try {
    await work(sql)
  } finally {
    await leave()
  }
}

async function tryToLead(sql: Sql): Promise<boolean> {
  const [row] = await sql<[{ leads: boolean }]>`
    select pg_try_advisory_lock(${runLockClass}::integer, ${reservedKeys.lead}::integer) as leads`
  return row.leads
}

async function whileTrusted(sql: Sql, stop: AbortSignal, work: LeadOptions['work']): Promise<void> {
  const lost = new AbortController()
  const leader: Leader = {
    signal: AbortSignal.any([stop, lost.signal]),
    async ask(query) {
      const asked = performance.now()
      const answer = await answered(query(sql))
      // A frozen process wakes here, too, with an answer that came long ago.
      if (performance.now() - asked > trustMs)
        throw new Problem(
          'DatabaseUnavailable',
          'This process stood still for some seconds: another one may lead.',
        )
      return answer
    },
  }
  try {
    await work(leader)
  } finally {
    lost.abort()
  }
}

const answered = <T>(query: Promise<T>): Promise<T> =>
  withDeadline(query, Date.now() + answerWithinMs, 'The database has stopped answering')
