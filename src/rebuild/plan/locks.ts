import type { ViewKind } from '../../catalog/plan/live-view.ts'
import { hintsOn } from '../../catalog/plan/obstacles.ts'
import { inPlaceOf } from '../../catalog/plan/rights.ts'
import { waitForBackup } from '../../sql/backups.ts'
import { holdersQuery, type WantedLock } from '../../sql/holders.ts'
import { literal, quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { RunPlan, Statement } from '../../sql/run-plan.ts'
import type { QualifiedName } from '../../words/names.ts'

// New readers wait while we queue for an exclusive lock. So we queue for each lock briefly, and often. How long a try waits for
// all exclusive locks together, its patience, the envelope decides.
const shortLockMs = 100
// The wait for the run's row while readers are locked out. If somebody holds the row for longer, the work
// begins again.
const recordLockMs = 1000
const longestLockHuntMs = 600_000

/**
 * How long a run may go on trying to get its locks: less than `timeoutSeconds`, the time of the whole run.
 */
export const giveUpAfterMs = (timeoutSeconds: number): number =>
  Math.min(longestLockHuntMs, timeoutSeconds * 800)

/**
 * A relation that an exchange locks exclusively, and the role to do so as; null: as ourselves. `columns`: the lock that readers do not
 * notice is taken by these, so the row of the relation still tells who has written it.
 */
export type Locked = QualifiedName & { kind: ViewKind; owner: string | null; columns?: string[] }

/** A view that we may alter as ourselves. */
export const ourselves = ({ schema, name, query }: QualifiedName & { query?: number | null }): Locked[] => [
  { kind: query == null ? 'materialized view' : 'table', schema, name, owner: null },
]

interface ExclusiveOptions {
  timeoutSeconds: number
  /** Locks on what can change without a lock on a view, and checks. Readers notice none of these locks. */
  guard?: Statement[]
  /**
   * `brief`: the work can begin again at no cost, so its own locks have a short time-out, too. `long`: the
   * run's row is not locked during the work, because a cancel has to write that row. Default: neither.
   */
  lasts?: 'brief' | 'long'
  /** Whether the run has another plan, which no backup notices. */
  otherwise?: boolean | undefined
}

/**
 * An exchange that needs relations exclusively, in the order in which readers lock them: outer ones first. First come locks
 * that readers do not notice and that an autovacuum gives way to, and the guard. Then come all exclusive locks, within the
 * patience of the try, which the envelope counts for all of them together. Then comes the work, without a time-out unless it
 * is `brief`. If one of the locks is not granted in time, all are released.
 */
export const exclusively = (
  locked: Locked[],
  work: Statement[],
  { timeoutSeconds, guard = [], lasts, otherwise }: ExclusiveOptions,
): RunPlan['locked'] => ({
  lockTimeoutMs: null,
  recordLockTimeoutMs: lasts === 'long' ? recordLockMs : null,
  giveUpAfterMs: giveUpAfterMs(timeoutSeconds),
  holders: holdersQuery(locked, 'AccessExclusiveLock'),
  statements: [
    ...(lasts === 'long' ? [] : [waitForBackup(otherwise)]),
    ...locked.flatMap((each) => lockAgainstChanges(each).flatMap((statement) => asOwner(each, statement))),
    lockTimeout(shortLockMs),
    ...guard,
    ...locked.flatMap((each) => asOwner(each, exclusiveLock(each.kind, each))),
    ...(lasts === 'brief' ? [] : [lockTimeout(0)]),
    ...work,
  ],
  ...(lasts === 'long' ? {} : { last: waitForBackup(otherwise) }),
})

/** The same statement as the owner of a relation. */
const asOwner = ({ owner }: Locked, statement: Statement): Statement[] =>
  owner === null ? [statement] : inPlaceOf(owner, [statement])

/**
 * The same if we may only refresh the view, not `alter` it: the refresh itself waits for the lock, briefly.
 * While an autovacuum holds a lock, every tenth wait is longer.
 */
export const withoutAltering = (
  view: QualifiedName,
  work: Statement[],
  timeoutSeconds: number,
): RunPlan['locked'] => ({
  lockTimeoutMs: shortLockMs,
  recordLockTimeoutMs: recordLockMs,
  giveUpAfterMs: giveUpAfterMs(timeoutSeconds),
  holders: holdersQuery([view], 'AccessExclusiveLock'),
  statements: work,
})

/**
 * Takes a lock on a relation that readers do not notice, and that nobody has who changes it or its owner. To touch a column rewrites its catalog row, unchanged.
 * Before PostgreSQL 18 `grant select (column)` takes no lock: the rewriting waits for such a grant that is not committed, and later grants wait for us.
 */
export function lockAgainstChanges(each: Locked): Statement[] {
  const columns = each.columns?.map((column) => `alter column ${quoteIdentifier(column)} reset (viewkeeper)`)
  return columns?.length === 0 ? [] : [alter(each.kind, each, columns?.join(', ') ?? 'reset (viewkeeper)')]
}

/**
 * Writes the row of a relation that its columns have locked, and changes nothing: a grant takes no lock on a relation before 18, but
 * writes this row, so from now on it waits for us, or we begin again.
 */
export const holdRow = (locked: Locked): Statement[] =>
  locked.columns === undefined ? [] : asOwner(locked, alter(locked.kind, locked, 'reset (viewkeeper)'))

/** Work whose lock lets readers pass: waiting for the lock delays no reader. By default that of a concurrent refresh. */
export const besideReaders = (
  views: QualifiedName | QualifiedName[],
  work: Statement[],
  timeoutSeconds: number,
  lock: WantedLock = 'ExclusiveLock',
): RunPlan['locked'] => ({
  lockTimeoutMs: null,
  recordLockTimeoutMs: 0,
  giveUpAfterMs: giveUpAfterMs(timeoutSeconds),
  holders: holdersQuery([views].flat(), lock),
  statements: work,
})

/**
 * Takes AccessExclusive on a view or a table: the server takes this lock to reset this option, which only a BRIN index can
 * have, so nothing changes. The usual `comment on … is <the same>` could undo a comment that somebody else has just written.
 */
export const exclusiveLock = (kind: Locked['kind'], name: QualifiedName): Statement => ({
  ...alter(kind, name, 'reset (pages_per_range)'),
  locksReaders: true,
})

/** A statement that takes a lock: it changes nothing. */
export const alter = (kind: string, name: QualifiedName, what: string): Statement => ({
  kind: 'command',
  phase: 'locking',
  sql: `alter ${kind} ${quoteName(name)} ${what}`,
  obstacles: hintsOn(name, 'own'),
  hidden: true,
})

const lockTimeout = (ms: number): Statement => setting('lock_timeout', String(ms))

/** Changes a setting for the rest of the transaction. */
export const setting = (name: string, value: string): Statement => ({
  kind: 'command',
  phase: 'locking',
  sql: `select set_config('${name}', ${literal(value)}, true)`,
  hidden: true,
})
