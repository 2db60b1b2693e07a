import type { Sql } from '../../server/database.ts'
import { type Holders, holdersOf } from '../../sql/holders.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'

/** Rule `_RETURN` is the query of a view. A query may also need the row type of what it reads, or the type's array. */
export const closureOf = (relations: number[]): string => `
with recursive closure(oid) as (
  select unnest(array[${relations.map(String).join(', ')}]::oid[])
  union
  select above.oid from closure below cross join lateral (
    select c.oid
      from (select 'pg_class'::regclass as refclassid, below.oid as refobjid
             union all select 'pg_type'::regclass, reltype from pg_class where oid = below.oid
             union all select 'pg_type'::regclass, t.typarray from pg_class k join pg_type t on t.oid = k.reltype
              where k.oid = below.oid) needed
      join pg_depend d on d.refclassid = needed.refclassid and d.refobjid = needed.refobjid and d.classid = 'pg_rewrite'::regclass
      join pg_rewrite w on w.oid = d.objid and w.rulename = '_RETURN'
      join pg_class c on c.oid = w.ev_class and c.relkind in ('m', 'v') and c.relpersistence <> 't') above)`

/** A view that somebody's lock keeps from being read: `because` names both. */
interface LockedView extends Holders {
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
