import type { Sql } from '../../server/connect.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { lookAgain, unlessLocked } from '../../server/transactions.ts'
import { literal } from '../../sql/names.ts'
import type { LiveView, ViewSnapshot } from '../plan/live-view.ts'
import { hashesOf, liveViewQuery } from '../plan/live-view-query.ts'
import { readableView } from '../plan/server-sql.ts'

/** Why there is no snapshot: somebody holds an exclusive lock, or the view was exchanged or dropped. */
type NoSnapshot = 'locked' | 'gone'

/** Reads a snapshot of a view. One statement reads the live view and its hash, so both are of one moment. */
export async function readSnapshot(sql: Sql, oid: number): Promise<ViewSnapshot | NoSnapshot> {
  const read = (sql: Sql) =>
    sql.unsafe<ViewSnapshot[]>(liveViewQuery(String(oid), `live, ${hashesOf('live')}`))
  try {
    const rows = await unlessLocked(sql, read)
    if (rows === null) return 'locked'
    const [row] = rows
    return row === undefined ? 'gone' : { ...row, live: readableView(row.live) }
  } catch (error) {
    // XX000: a statement sees the catalog as of its beginning, but deparses definitions as they are now.
    if (sqlstateOf(error) === 'XX000') return 'gone'
    throw error
  }
}

/** A plain view as the catalog has it, by its name as SQL writes it; undefined if nothing has the name. */
export const readLivePlainView = (sql: Sql, view: string): Promise<LiveView | undefined> =>
  lookAgain(async () => {
    const named = `to_regclass(${literal(view)})`
    const [row] = await sql.unsafe<{ live: LiveView }[]>(liveViewQuery(`${named}::oid`))
    if (row !== undefined) return readableView(row.live)
    // to_regclass knows a relation that was made after the statement began, and the statement does not find it.
    const [now] = await sql.unsafe<[{ exists: boolean }]>(`select ${named} is not null as exists`)
    return now.exists ? 'gone' : undefined
  })
