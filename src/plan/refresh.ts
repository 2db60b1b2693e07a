import { quoteName } from './names.ts'
import type { Plan, Step } from './plan.ts'
import type { Choice } from './strategy.ts'
import type { ViewFacts } from './view-facts.ts'

export const rowCountStrategies = ['none', 'estimated', 'exact'] as const
/** How rows are counted before and after: not at all, from the planner's statistics, or one by one. */
export type RowCountStrategy = (typeof rowCountStrategies)[number]

// A reader that comes while we queue for the exclusive lock waits as long as we do: so we queue briefly, and often.
const shortLockMs = 100
// An autovacuum worker gives way only to who has waited `deadlock_timeout` (1 s); this waits past that.
const patientLockMs = 1500
const guardLockMs = 5000
const longestLockHuntMs = 600_000

/**
 * Plans the statements of a refresh by the chosen strategy. Pure.
 * `timeoutSeconds` is the run's whole time; the hunt for the lock ends before it.
 */
export function planRefresh(
  view: ViewFacts,
  { strategy }: Choice,
  options: { rowCountStrategy: RowCountStrategy; timeoutSeconds: number; ifRunning: Plan['ifRunning'] },
): Plan {
  return {
    ifRunning: options.ifRunning,
    result: 'updated',
    prepare: [],
    cutOver: {
      ...(strategy === 'regular' ? regularCutOver(view) : concurrentCutOver(view)),
      giveUpAfterMs: Math.min(longestLockHuntMs, options.timeoutSeconds * 800),
    },
    ...counting(view, strategy, options.rowCountStrategy),
  }
}

type CutOver = Omit<Plan['cutOver'], 'giveUpAfterMs'>

/**
 * First a lock that readers do not notice but autovacuum gives way to, then the exclusive one under a short time-out,
 * then the work, in which nothing the view reads may time out. Resetting an option that nobody sets takes either lock
 * and changes nothing; unlike the usual `comment on …` it cannot undo what somebody else has just written.
 * Who may only refresh cannot `alter`: there the refresh itself queues briefly, and now and then patiently.
 */
function regularCutOver(view: ViewFacts): CutOver {
  const refresh: Step = { phase: 'building', sql: `refresh materialized view ${quoteName(view)}` }
  if (!view.mayAlter) {
    return { lockTimeoutMs: shortLockMs, patientLockTimeoutMs: patientLockMs, steps: [refresh] }
  }
  const reset = (option: string): Step => ({
    phase: 'locking',
    sql: `alter materialized view ${quoteName(view)} reset (${option})`,
  })
  return {
    lockTimeoutMs: guardLockMs,
    patientLockTimeoutMs: 0,
    steps: [
      reset('viewkeeper'),
      lockTimeout(shortLockMs),
      reset('user_catalog_table'),
      lockTimeout(0),
      refresh,
    ],
  }
}

/** The concurrent lock lets readers pass, so waiting for it hurts nobody. */
const concurrentCutOver = (view: ViewFacts): CutOver => ({
  lockTimeoutMs: 0,
  patientLockTimeoutMs: 0,
  steps: [{ phase: 'building', sql: `refresh materialized view concurrently ${quoteName(view)}` }],
})

const lockTimeout = (ms: number): Step => ({
  phase: 'locking',
  sql: `select set_config('lock_timeout', '${ms}', true)`,
})

type Counting = Pick<Plan, 'countBefore' | 'written' | 'countAfter' | 'aside' | 'countAside'>

/** No count ever runs while readers are locked out. */
function counting(view: ViewFacts, strategy: Choice['strategy'], rowCounts: RowCountStrategy): Counting {
  const nothing: Counting = {
    countBefore: null,
    written: null,
    countAfter: null,
    aside: [],
    countAside: null,
  }
  const exact = `select count(*) from ${quoteName(view)}`
  // -1 means never analyzed; the planner's guess is a float.
  const estimate = `select nullif(reltuples, -1)::bigint from pg_catalog.pg_class where oid = ${view.oid}`
  if (rowCounts === 'none') return nothing
  if (rowCounts === 'estimated') {
    return {
      ...nothing,
      countBefore: view.populated ? estimate : null,
      aside: [{ phase: 'analyzing', sql: `analyze ${quoteName(view)}` }],
      countAside: estimate,
    }
  }
  const countBefore = view.populated ? exact : null
  if (strategy === 'concurrent') return { ...nothing, countBefore, countAfter: exact }
  // A regular refresh writes every row anew, so the server's own tuple counter says how many, for nothing.
  return view.tuplesAreCounted
    ? { ...nothing, countBefore, written: `select pg_catalog.pg_stat_get_xact_tuples_inserted(${view.oid})` }
    : { ...nothing, countBefore, countAside: exact }
}
