import { readFacts } from '../../src/catalog/db/facts.ts'
import type { ViewFacts } from '../../src/catalog/plan/state.ts'
import { type ViewKind, viewKinds } from '../../src/events/plan/incident.ts'
import { Problem, type ProblemCode } from '../../src/problem.ts'
import type { Database } from '../../src/server/connect.ts'
import { readForeignHolders } from '../../src/server/lock-keys.ts'
import { readLastLook } from '../../src/watch/db/looks.ts'
import { type ChannelState, readChannels } from '../news/deliveries.ts'

/** What is measured of a database. */
export interface Measured {
  views: ViewFacts[]
  incidents: { view: string; kind: ViewKind }[]
  /** When the monitor last looked; null: never. */
  lookedAt: Date | null
  channels: ChannelState[]
  /** The locks of ours that foreign sessions hold. */
  foreignLocks: number
}

/** Reads what is measured, on one connection. Never waits for a refresh. */
export const readMeasured = (database: Database, channels: string[]): Promise<Measured> =>
  database.withConnection(async (sql) => ({
    views: (await readFacts(sql)).views,
    incidents: await sql<Measured['incidents']>`
      select subject as view, kind from viewkeeper.incidents cross join unnest(kinds) kind
       where resolved_at is null and kind in (select value from jsonb_array_elements_text(${sql.json(viewKinds)}))`,
    lookedAt: await readLastLook(sql),
    channels: await readChannels(sql, channels),
    foreignLocks: (await readForeignHolders(sql)).reduce((sum, { locks }) => sum + locks, 0),
  }))

/** So long an answer is good: however many ask, the database is asked once. */
const freshMs = 5000

/** Calls `read`, unless its last answer is fresh. The clock of the machine may be set back meanwhile. */
export function atMostOften<T>(read: () => Promise<T>): () => Promise<T> {
  let last: { at: number; answer: Promise<T> } | undefined
  return () => {
    const now = performance.now()
    if (last === undefined || now - last.at > freshMs) last = { at: now, answer: read() }
    return last.answer
  }
}

/**
 * Why this process is not ready; null: it is. The code alone: its message may name the login and the server. `steps`: how many
 * schema steps it needs; more are those of a newer version.
 */
export async function whyNotReady(database: Database, steps: number): Promise<ProblemCode | null> {
  try {
    const [row] = await database.withConnection(
      (sql) => sql<[{ steps: number }]>`select count(*)::integer as steps from viewkeeper.schema_steps`,
    )
    return row.steps >= steps ? null : 'NotMigrated'
  } catch (error) {
    return error instanceof Problem ? error.code : 'InternalError'
  }
}

/** A leader that ends is followed within 15 s. */
const longestWithoutLeaderMs = 60_000

/** Why a copy is not ready that has not led and has seen nobody lead for so long; null: it is. */
export const whyLeaderless = (ms: number): ProblemCode | null =>
  ms > longestWithoutLeaderMs ? 'DatabaseUnavailable' : null
