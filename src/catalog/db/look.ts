import { setTimeout as pause } from 'node:timers/promises'
import type { Sql } from '../../server/database.ts'
import { lookAgain } from '../../server/transactions.ts'
import { type Holders, holdersQuery } from '../../sql/holders.ts'
import type { Plan } from '../../sql/plan.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import { dependentsOf, type ViewFacts, type ViewSnapshot } from '../plan/live-view.ts'
import { readView } from './catalog.ts'

/** The id of the view's running run. `exchanges`: also if it exchanges a shadow of a batch, which may wait for readers for long. */
export async function findRunningRun(
  sql: Sql,
  { schema, name }: QualifiedName,
  exchanges = true,
): Promise<number | undefined> {
  const [row] = await sql<{ id: number }[]>`
    select id from viewkeeper.runs
     where schema_name = ${schema} and view_name = ${name} and status = 'running' and (${exchanges} or built_at is null)`
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
  patience: Patience = {},
  seen?: ViewFacts,
): Promise<{ view: ViewFacts; snapshot: ViewSnapshot | null }> {
  let first = seen
  return untilUnlocked(sql, name, patience, async () => {
    const { view, snapshot } = await lookAgain(async () => {
      const view = first ?? (await readView(sql, name))
      first = undefined
      const snapshot = isWanted(view)
        ? await (await import('./live-view.ts')).readSnapshot(sql, view.oid)
        : null
      return snapshot === 'gone' ? snapshot : { view, snapshot }
    })
    return snapshot === 'locked' ? null : { view, snapshot }
  })
}

/**
 * Looks until somebody's lock keeps nothing of a view from being read any more (null), as patiently as asked; then throws what `lookAtView`
 * throws.
 */
export async function untilUnlocked<T>(
  sql: Sql,
  name: QualifiedName,
  { until = 0, ifRunning = 'wait' }: Patience,
  look: () => Promise<T | null>,
): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== null) return found
    const over = Date.now() >= until
    const runningRunId = over || ifRunning === 'skip' ? await findRunningRun(sql, name) : undefined
    if (runningRunId !== undefined) throw alreadyRunning(displayName(name), runningRunId)
    if (over) throw await lockTimeout(sql, name)
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

async function lockTimeout(sql: Sql, view: QualifiedName): Promise<Problem> {
  const [row] = await sql.unsafe<{ holders: Holders | null }[]>(
    `select h as holders from (${holdersQuery([view], 'AccessShareLock')}) as x(h)`,
  )
  const { who, advice } = row?.holders ?? { who: 'a lock kept it from being read', advice: 'Try again.' }
  return new Problem('LockTimeout', `${displayName(view)} is locked: ${who}. ${advice}`)
}
