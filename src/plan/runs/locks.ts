import { literal, quoteIdentifier, quoteName, type ViewName } from '../names.ts'
import type { Plan, Statement } from '../plan.ts'

// A reader that comes while we queue for the exclusive lock waits as long as we do: so we queue briefly, and often.
const shortLockMs = 100
// The run's record is one row. Whoever holds it for longer while readers are locked out has the work begin again.
const recordLockMs = 1000
const longestLockHuntMs = 600_000

type CutOver = Plan['cutOver']

/** How long the hunt for the lock may go on: it ends before the run does. `timeoutSeconds` is the run's whole time. */
const giveUpAfterMs = (timeoutSeconds: number): number => Math.min(longestLockHuntMs, timeoutSeconds * 800)

interface ExclusiveOptions {
  timeoutSeconds: number
  /** Locks on what can change without the view's own lock; readers notice none of them. */
  guard?: Statement[]
  /** Exclusive locks on what a reader locks before the view. */
  lockBefore?: Statement[]
  /** Whose place is taken for the locks on the view itself. Default: nobody's. */
  as?: (statements: Statement[]) => Statement[]
  /**
   * `brief`: beginning again loses nothing, so that not even the work queues for a lock. `long`: the record is not held
   * meanwhile, because a cancel needs it. Default: neither.
   */
  lasts?: 'brief' | 'long'
}

/**
 * Statements that need a view for themselves alone. First the locks that readers do not notice, and that autovacuum gives way
 * to; then the exclusive ones under a short time-out; then the work, in which nothing times out. Where one of the
 * locks cannot be had, all are let go.
 */
export const exclusively = (
  view: ViewName,
  work: Statement[],
  { timeoutSeconds, guard = [], lockBefore = [], as = (statements) => statements, lasts }: ExclusiveOptions,
): CutOver => ({
  lockTimeoutMs: null,
  recordLockTimeoutMs: lasts === 'long' ? recordLockMs : null,
  giveUpAfterMs: giveUpAfterMs(timeoutSeconds),
  statements: [
    ...as([alter('materialized view', view, 'reset (viewkeeper)')]),
    lockTimeout(shortLockMs),
    ...guard,
    ...lockBefore,
    ...as([exclusiveLock('materialized view', view)]),
    ...(lasts === 'brief' ? [] : [lockTimeout(0)]),
    ...work,
  ],
})

/** The same for who may not `alter` the view, only refresh it: the work itself queues briefly, now and then patiently. */
export const withoutAltering = (work: Statement[], timeoutSeconds: number): CutOver => ({
  lockTimeoutMs: shortLockMs,
  recordLockTimeoutMs: recordLockMs,
  giveUpAfterMs: giveUpAfterMs(timeoutSeconds),
  statements: work,
})

/** Statements whose lock lets readers pass: waiting for it hurts nobody. */
export const besideReaders = (work: Statement[], timeoutSeconds: number): CutOver => ({
  lockTimeoutMs: null,
  recordLockTimeoutMs: 0,
  giveUpAfterMs: giveUpAfterMs(timeoutSeconds),
  statements: work,
})

/**
 * Resetting an option that nobody sets changes nothing, and takes AccessExclusive for this one option, on a view of either
 * kind; unlike the usual `comment on … is <the same>` it cannot undo what somebody else has just written.
 */
export const exclusiveLock = (kind: 'view' | 'materialized view', name: ViewName): Statement =>
  alter(kind, name, 'reset (user_catalog_table)')

/**
 * Writes each column's catalog row anew as it is. Before 18 `grant select (column)` takes no lock on the view: whoever has
 * done it without a commit is waited for, and whoever comes later waits for us.
 */
export function touchColumns(view: ViewName, columns: string[]): Statement[] {
  const touched = columns.map((column) => `alter column ${quoteIdentifier(column)} reset (viewkeeper)`)
  return touched.length === 0 ? [] : [alter('materialized view', view, touched.join(', '))]
}

/** Comments, names and options of an index are changed under the index's own lock, not the view's. */
export const lockIndex = (index: ViewName): Statement => alter('index', index, 'reset (viewkeeper)')

/** The same of a statistics object, whose row is written anew by giving it another name and its own again. */
export const touchStatistics = (statistics: ViewName, anotherName: string): Statement[] => [
  alter('statistics', statistics, `rename to ${quoteIdentifier(anotherName)}`),
  alter('statistics', { ...statistics, name: anotherName }, `rename to ${quoteIdentifier(statistics.name)}`),
]

const alter = (kind: string, name: ViewName, what: string): Statement => ({
  phase: 'locking',
  sql: `alter ${kind} ${quoteName(name)} ${what}`,
  hidden: true,
})

const lockTimeout = (ms: number): Statement => setting('lock_timeout', String(ms))

/** Sets something for the rest of the transaction. */
export const setting = (name: string, value: string): Statement => ({
  phase: 'locking',
  sql: `select set_config('${name}', ${literal(value)}, true)`,
  hidden: true,
})
