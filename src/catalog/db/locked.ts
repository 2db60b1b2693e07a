import { Problem } from '../../problem.ts'
import type { Sql } from '../../server/connect.ts'
import { type Holders, holdersOf } from '../../sql/holders.ts'
import { displayName, type QualifiedName } from '../../sql/names.ts'
import { closureOf } from './graph.ts'

/** A view that somebody's lock keeps from being read: `because` names both. */
export interface LockedView extends Holders {
  oid: number
  because: string
}

/**
 * The locked ones among these relations, as far as they are views, and the views that read them. Reads who holds locks, so it
 * waits for none.
 */
export async function findLocked(sql: Sql, relations: number[]): Promise<LockedView[]> {
  const rows = await sql.unsafe<
    ({ oid: number; holders: Holders } & QualifiedName)[]
  >(`${closureOf(relations)}
select c.oid::int8 as oid, n.nspname as schema, c.relname as name, h.holders
  from pg_class c join closure using (oid) join pg_namespace n on n.oid = c.relnamespace
 cross join lateral (${holdersOf('c.oid', 'AccessShareLock')}) as h(holders)
 where c.relkind in ('m', 'v') order by c.oid`)
  return rows.map(({ oid, holders, ...name }) => ({
    oid,
    ...holders,
    because: `${displayName(name)} is locked: ${holders.who}`,
  }))
}

/** Why they could not be read: names a view and who holds a lock on it, unless that lock is gone by now. */
export async function lockedProblem(sql: Sql, relations: number[], more = ''): Promise<Problem> {
  const [first] = await findLocked(sql, relations)
  return new Problem(
    'LockTimeout',
    first === undefined
      ? `A lock kept a view from being read, and is gone by now. Try again.${more}`
      : `${first.because}. ${first.advice}${more}`,
  )
}
