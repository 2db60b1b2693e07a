import { setTimeout as pause } from 'node:timers/promises'
import { Problem } from '../problem.ts'
import type { Database, Sql } from '../server/database.ts'
import { problemOf, withDeadline } from '../server/failures.ts'
import { isOurs, reservedKeys, runLockClass, runLocks } from '../server/lock-keys.ts'

/**
 * The server ends the session of a copy from which it has heard nothing for so long, and another copy leads: a process that is
 * frozen, or a network that is cut, gives the lock up by itself no earlier than TCP does.
 */
const silenceMs = 9000

/** The leader believes that it leads for so long after it last asked. Less than `silenceMs`: there are never two. */
const trustMs = 7000

/** So often the leader asks the server for the time, and the other copies ask for the lock. */
export const askEveryMs = 2000

const leading = 'viewkeeper leading'
const answerWithinMs = 4000
const longestPauseMs = 10_000

/** The copy that leads. */
export interface Leader {
  /** What queries on its connection answer, within some seconds. Throws if this copy leads no longer. */
  ask<T>(query: (sql: Sql) => Promise<T>): Promise<T>
  /** Ends when this copy leads no longer, or is to stop. */
  signal: AbortSignal
}

/**
 * What a copy does. `follows others`: the leader obeys other options. `cut off`: this copy cannot reach the database, and tries
 * again.
 */
export type Standing = 'leads' | 'follows' | 'follows others' | 'cut off'

interface LeadOptions {
  /** The same for all copies that obey the same options. */
  obeys: string
  signal: AbortSignal
  /** Hears of each change. */
  onStanding(standing: Standing, why?: unknown): void
  work(leader: Leader): Promise<void>
}

/** Does `work` whenever this copy leads all processes on the database, until `signal`. Holds one connection. */
export async function leadInTurn(
  database: Database,
  { obeys, signal, onStanding, work }: LeadOptions,
): Promise<void> {
  let before: Standing | undefined
  const stand = (now: Standing, why?: unknown) => {
    if (now !== before && !signal.aborted) onStanding(now, why)
    before = now
  }
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      await withSession(database, async (sql) => {
        for (;;) {
          const { leads, others } = await answered(tryToLead(sql, obeys))
          if (leads) break
          stand(others ? 'follows others' : 'follows')
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
    application_name: leading,
    idle_session_timeout: String(silenceMs),
    statement_timeout: String(answerWithinMs),
  })
  try {
    await work(sql)
  } finally {
    await leave()
  }
}

/**
 * Takes the lead unless the session that has it is there, and notes what this leader obeys. If it is there: whether the last leader
 * obeyed something else. The lead is the row `leader`, which names a session, and which only our role may write. It ends with its
 * session, so no clock has a part in it. Older versions lead by the advisory lock alone: who gets it, or meets it in a session that
 * is no copy's, may lead. Others may see neither start nor age of a session, so the role and the database of a reused pid decide.
 */
async function tryToLead(sql: Sql, obeys: string): Promise<{ leads: boolean; others: boolean }> {
  const [row] = await sql<[{ leads: boolean; others: boolean }]>`
    with ${runLocks(sql)},
    tried as materialized (
      select pg_try_advisory_lock(${runLockClass}::integer, ${reservedKeys.lead}::integer) or not exists (
               select from run_locks l join pg_stat_get_activity(l.pid) a on a.application_name = ${leading} and ${isOurs(sql)}
                where l.id = (${reservedKeys.lead}::int8 & 4294967295)) as may),
    noted as (
      insert into viewkeeper.switches as s (key, value)
      select 'leader', jsonb_build_object('obeys', ${obeys}::text, 'pid', a.pid, 'role', a.usesysid::int8, 'since', a.backend_start)
        from tried, pg_stat_get_activity(pg_backend_pid()) a where may
      on conflict (key) do update set updated_at = clock_timestamp(), value = excluded.value
       where not exists (
         -- Cleared: the session may have begun after this statement's first look at sessions.
         select from pg_stat_get_activity(case when pg_stat_clear_snapshot()::text is not null then (s.value ->> 'pid')::integer end) a
          where a.usesysid::int8 = (s.value ->> 'role')::int8
            and a.datid = (select oid from pg_database where datname = current_database())
            and coalesce(a.backend_start = (s.value ->> 'since')::timestamptz, true))
      returning key)
    select exists (select from noted) as leads,
           exists (select from viewkeeper.switches where key = 'leader' and value ->> 'obeys' <> ${obeys}) as others
      from tried`
  return row
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
