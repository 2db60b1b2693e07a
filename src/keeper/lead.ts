import { setTimeout as pause } from 'node:timers/promises'
import { obeysOthers, takeTurn } from '../record/runs/turns.ts'
import type { Database, Sql } from '../server/database.ts'
import { problemOf, withDeadline } from '../server/failures.ts'
import { Problem } from '../words/problem.ts'

/**
 * The server ends the session of a copy from which it has heard nothing for so long, and another copy leads: a process that is
 * frozen, or a network that is cut, gives the lead up by itself no earlier than TCP does.
 */
const silenceMs = 9000

/** The leader believes that it leads for so long after it last asked. Less than `silenceMs`: there are never two. */
const trustMs = 7000

/** So often the leader asks the server for the time, and the other copies ask for the lead. */
export const askEveryMs = 2000

const leading = 'viewkeeper leading'
const lead = 'leader'
const answerWithinMs = 4000
const longestPauseMs = 10_000

/** The copy that leads. */
export interface Leader {
  /** What queries on its connection answer, within some seconds. Throws if this copy leads no longer. */
  ask<T>(query: (sql: Sql) => Promise<T>): Promise<T>
  /** Ends when this copy leads no longer, or is to stop. */
  signal: AbortSignal
  /** Whether this copy led before, and slept since. */
  hasSlept: boolean
}

/**
 * What a copy does. `follows others`: the leader obeys other options. `sleeps`: nothing is due, and it has no connection. `cut off`: it
 * cannot reach the database, and tries again.
 */
export type CopyStanding = 'leads' | 'follows' | 'follows others' | 'sleeps' | 'cut off'

interface LeadOptions {
  /** The same for all copies that obey the same options. */
  obeys: string
  signal: AbortSignal
  /** Hears of each change. */
  onStanding(standing: CopyStanding, why?: unknown): void
  /** Works until the leader's signal, or until nothing is due: for so many milliseconds. */
  work(leader: Leader): Promise<number>
}

/**
 * Does `work` whenever this copy leads all processes on the database, until `signal`. Holds one connection, and none while nothing is due: then
 * nobody leads, and each copy looks for itself when something is.
 */
export async function leadInTurn(
  database: Database,
  { obeys, signal, onStanding, work }: LeadOptions,
): Promise<void> {
  let before: CopyStanding | undefined
  const stand = (now: CopyStanding, why?: unknown) => {
    if (now !== before && !signal.aborted) onStanding(now, why)
    before = now
  }
  let hasSlept = false
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const idleMs = await withSession(database, async (sql) => {
        for (;;) {
          const { leads, others } = await answered(tryToLead(sql, obeys))
          if (leads) break
          stand(others ? 'follows others' : 'follows')
          failures = 0
          await pause(askEveryMs, undefined, { signal })
        }
        stand('leads')
        failures = 0
        return whileTrusted(sql, { signal, hasSlept }, work)
      })
      stand('sleeps')
      hasSlept = true
      await pause(idleMs, undefined, { signal })
    } catch (error) {
      stand('cut off', problemOf(error))
      await pause(Math.min(longestPauseMs, 1000 * 2 ** failures), undefined, { signal }).catch(() => {})
    }
  }
}

/** A session of its own, which the server ends after `silenceMs` without a query. */
async function withSession(database: Database, work: (sql: Sql) => Promise<number>): Promise<number> {
  const { sql, leave } = await database.open({
    application_name: leading,
    idle_session_timeout: String(silenceMs),
    statement_timeout: String(answerWithinMs),
  })
  try {
    return await work(sql)
  } finally {
    await leave()
  }
}

/** Takes the lead unless another copy has it, and notes what this leader obeys. Else: whether the leader obeys something else. */
async function tryToLead(sql: Sql, obeys: string): Promise<{ leads: boolean; others: boolean }> {
  if ((await takeTurn(sql, lead, { obeys })).length > 0) return { leads: true, others: false }
  return { leads: false, others: await obeysOthers(sql, lead, obeys) }
}

async function whileTrusted(
  sql: Sql,
  { signal: stop, hasSlept }: Omit<Leader, 'ask'>,
  work: LeadOptions['work'],
): Promise<number> {
  const lost = new AbortController()
  const leader: Leader = {
    signal: AbortSignal.any([stop, lost.signal]),
    hasSlept,
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
    return await work(leader)
  } finally {
    lost.abort()
  }
}

const answered = <T>(query: Promise<T>): Promise<T> =>
  withDeadline(query, Date.now() + answerWithinMs, 'The database has stopped answering')
