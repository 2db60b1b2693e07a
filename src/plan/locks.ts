import { literal, quoteName, type ViewName } from './names.ts'
import type { Plan, Step } from './plan.ts'

// A reader that comes while we queue for the exclusive lock waits as long as we do: so we queue briefly, and often.
const shortLockMs = 100
// An autovacuum worker gives way only to who has waited `deadlock_timeout` (1 s); these wait past that.
const patientLockMs = 1500
const guardLockMs = 5000
const longestLockHuntMs = 600_000

type CutOver = Plan['cutOver']

/** How long the hunt for the lock may go on: it ends before the run does. `timeoutSeconds` is the run's whole time. */
const giveUpAfterMs = (timeoutSeconds: number): number => Math.min(longestLockHuntMs, timeoutSeconds * 800)

/**
 * Steps that need a view for themselves alone. First a lock that readers do not notice but autovacuum gives way to, then
 * the exclusive one under a short time-out (on the dependents too, which a reader locks before the view), then the
 * work, in which nothing may time out; unless it is `brief`: then it loses nothing by beginning again, and must
 * not queue for another lock while it holds this one.
 */
export const exclusively = (
  view: ViewName,
  work: Step[],
  {
    timeoutSeconds,
    lockBefore = [],
    guardAs = (steps) => steps,
    brief = false,
  }: { timeoutSeconds: number; lockBefore?: Step[]; guardAs?: (steps: Step[]) => Step[]; brief?: boolean },
): CutOver => ({
  lockTimeoutMs: guardLockMs,
  patientLockTimeoutMs: 0,
  giveUpAfterMs: giveUpAfterMs(timeoutSeconds),
  steps: [
    ...guardAs([resetOption('materialized view', view, 'viewkeeper')]),
    lockTimeout(shortLockMs),
    ...lockBefore,
    ...guardAs([exclusiveLock('materialized view', view)]),
    ...(brief ? [] : [lockTimeout(0)]),
    ...work,
  ],
})

/** The same for who may not `alter` the view, only refresh it: the work itself queues briefly, now and then patiently. */
export const withoutAltering = (work: Step[], timeoutSeconds: number): CutOver => ({
  lockTimeoutMs: shortLockMs,
  patientLockTimeoutMs: patientLockMs,
  giveUpAfterMs: giveUpAfterMs(timeoutSeconds),
  steps: work,
})

/** Steps whose lock lets readers pass: waiting for it hurts nobody. */
export const besideReaders = (work: Step[], timeoutSeconds: number): CutOver => ({
  lockTimeoutMs: 0,
  patientLockTimeoutMs: 0,
  giveUpAfterMs: giveUpAfterMs(timeoutSeconds),
  steps: work,
})

/** Takes the exclusive lock and changes nothing, on a view of either kind. */
export const exclusiveLock = (kind: 'view' | 'materialized view', name: ViewName): Step =>
  resetOption(kind, name, 'user_catalog_table')

/**
 * Resetting an option that nobody sets takes ShareUpdateExclusive, or AccessExclusive for this one option; unlike the usual
 * `comment on … is <the same>` it cannot undo what somebody else has just written.
 */
const resetOption = (kind: 'view' | 'materialized view', name: ViewName, option: string): Step => ({
  phase: 'locking',
  sql: `alter ${kind} ${quoteName(name)} reset (${option})`,
  hidden: true,
})

const lockTimeout = (ms: number): Step => setting('lock_timeout', String(ms))

/** Sets something for the rest of the transaction. */
export const setting = (name: string, value: string): Step => ({
  phase: 'locking',
  sql: `select set_config('${name}', ${literal(value)}, true)`,
  hidden: true,
})
