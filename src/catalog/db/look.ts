import { setTimeout as pause } from 'node:timers/promises'
import { Problem } from '../../problem.ts'
import type { Sql } from '../../server/database.ts'
import { lookAgain } from '../../server/transactions.ts'
import { type Holders, holdersOf, holdersQuery } from '../../sql/holders.ts'
import type { QualifiedName } from '../../sql/names.ts'
import { displayName } from '../../sql/names.ts'
import type { Plan } from '../../sql/plan.ts'
import { dependentsOf, type ViewFacts, type ViewSnapshot } from '../plan/live-view.ts'
import { readView } from './catalog.ts'

/** The id of the view's running run. */
export async function findRunningRun(sql: Sql, { schema, name }: QualifiedName): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    select id from viewkeeper.runs where schema_name = ${schema} and view_name = ${name} and status = 'running'`
  return row?.id
}

/** How to look at a view that somebody has locked exclusively, so that the server would make us wait. */
export interface Patience {
  /** Looks again until then (epoch milliseconds). Default: looks once. */
  until?: number
  /** Whether to wait for a run of the view, too. Default: `wait`. */
  ifRunning?: Plan['ifRunning']
}

/** Between two looks at something locked. */
export const pauseMs = 250

/**
 * What the catalog says about a view now, and the snapshot of that same relation if it `isWanted`. If somebody holds an
 * exclusive lock on the view or on what it reads, looks again as patiently as asked; then throws AlreadyRunning if a run of
 * the view is running, else LockTimeout, which names the holder. Throws UnknownView if the view is gone.
 * The first look takes the view as it was `seen` a moment ago.
 */
export async function lookAtView(
  sql: Sql,
  name: QualifiedName,
  isWanted: (view: ViewFacts) => boolean,
  { until = 0, ifRunning = 'wait' }: Patience = {},
  seen?: ViewFacts,
): Promise<{ view: ViewFacts; snapshot: ViewSnapshot | null }> {
  let first = seen
  for (;;) {
    const { view, snapshot } = await lookAgain(async () => {
      const view = first ?? (await readView(sql, name))
      first = undefined
      const snapshot = isWanted(view)
        ? await (await import('./live-view.ts')).readSnapshot(sql, view.oid)
        : null
      return snapshot === 'gone' ? snapshot : { view, snapshot }
    })
    if (snapshot !== 'locked') return { view, snapshot }
    const over = Date.now() >= until
    const runningRunId = over || ifRunning === 'skip' ? await findRunningRun(sql, name) : undefined
    if (runningRunId !== undefined) throw alreadyRunning(view.view, runningRunId)
    if (over) throw await lockTimeout(sql, view)
    await pause(pauseMs)
  }
}

/** The same, always with the snapshot. */
export async function readLiveView(
  sql: Sql,
  name: QualifiedName,
  patience?: Patience,
): Promise<{ view: ViewFacts; snapshot: ViewSnapshot }> {
  const { view, snapshot } = await lookAtView(sql, name, () => true, patience)
  return { view, snapshot: snapshot as ViewSnapshot }
}

/** What would be dropped with a view, as people name it: `view app.top`, `materialized view app.best`. */
export async function readDependents(sql: Sql, name: QualifiedName, patience?: Patience): Promise<string[]> {
  return dependentsOf((await readLiveView(sql, name, patience)).snapshot.live)
}

/** The refusal of a run whose view is busy. */
export const alreadyRunning = (view: string, runningRunId: number): Problem =>
  new Problem('AlreadyRunning', `Run ${runningRunId} of ${view} is still running.`, { runningRunId })

async function lockTimeout(sql: Sql, view: ViewFacts): Promise<Problem> {
  const [row] = await sql.unsafe<{ holders: Holders | null }[]>(
    `select h as holders from (${holdersQuery([view], 'AccessShareLock')}) as x(h)`,
  )
  const { who, advice } = row?.holders ?? { who: 'a lock kept it from being read', advice: 'Try again.' }
  return new Problem('LockTimeout', `${view.view} is locked: ${who}. ${advice}`)
}

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
