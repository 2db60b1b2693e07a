import { setTimeout as pause } from 'node:timers/promises'
import { dropShadows } from '../../record/batches/batch-groups.ts'
import { mayRecordRuns } from '../../record/set-aside/remembered.ts'
import type { Sql } from '../../server/database.ts'
import { sqlstateOf } from '../../server/failures.ts'
import { insistOnNoBackup, readBackup } from '../../server/standbys.ts'
import { withSavepoint } from '../../server/transactions.ts'
import { besideBackup } from '../../sql/backups.ts'
import { type Holders, holdersQuery } from '../../sql/holders.ts'
import { literal } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import { Problem } from '../../words/problem.ts'
import { type InTheWay, lockStatements, lockTable } from '../plan/items.ts'
import { readInTheWay, type TouchedRelation } from './in-the-way.ts'

// New readers wait while we queue for an exclusive lock, so we queue briefly and often. All locks of one try take less than
// the usual `deadlock_timeout` of a second: otherwise the server could end a reader as part of a deadlock. What is read under
// the locks waits for nobody, and takes as long as there are views: it has no such limit.
const shortLockMs = 100
const shortTryMs = 400

/** Later locks, which the SQL of others takes while readers wait already. */
const laterLockMs = 10_000

/** What to look at and to lock, and for how long. */
export interface LockHunt {
  relations: TouchedRelation[]
  /** Gives up then (epoch milliseconds). */
  until: number
  /** Called when a try has failed, with those who hold the locks. */
  onWait?: ((holders: string) => void) | undefined
}

/**
 * Locks exclusively what stands in the way and the tables that are to be changed: all or none, in short tries. Returns what
 * stands in the way under the locks. Execute in a transaction that holds no lock yet. Throws LockTimeout, which names the
 * holders of the locks.
 */
export const lockInTheWay = (sql: Sql, hunt: LockHunt): Promise<InTheWay> =>
  patiently(sql, hunt, async (before) =>
    withSavepoint(sql, async (part) => {
      if (before.items.length > 0) await insistOnNoBackup(part)
      await part.unsafe(oneBlock(locksOf(before, hunt.relations)))
      const now = await readInTheWay(part, hunt.relations, before)
      if (namesIn(now) !== namesIn(before)) throw changed
      await part`select set_config('lock_timeout', ${String(laterLockMs)}, true)`
      return now
    }),
  )

/**
 * Reads what stands in the way, as patiently: somebody may hold an exclusive lock on a view, as a refresh does. Shadows that a batch could not
 * drop at its end are gone first.
 */
export async function lookInTheWay(sql: Sql, hunt: LockHunt): Promise<InTheWay> {
  if (await mayRecordRuns(sql)) await dropShadows(sql)
  return patiently(sql, hunt, async (found) => found)
}

async function patiently<T>(
  sql: Sql,
  { relations, until, onWait }: LockHunt,
  work: (found: InTheWay) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    let found: InTheWay | undefined
    try {
      found = await ('savepoint' in sql
        ? withSavepoint(sql, (part) => readInTheWay(part, relations))
        : readInTheWay(sql, relations))
      return await work(found)
    } catch (error) {
      if (!isPassing(error)) throw error
      const change = changeIn(error)
      const { who, advice } =
        change === null ? await readHolders(sql, found) : { who: change, advice: 'Try again.' }
      if (Date.now() >= until)
        throw new Problem('LockTimeout', `The locks were not granted in time: ${who}. ${advice}`)
      onWait?.(who)
      await pause(Math.min(50 * tries, 500) * (0.5 + Math.random()))
    }
  }
}

/** Whether a try may succeed later: locks were not granted, or views were exchanged meanwhile. */
const isPassing = (error: unknown): boolean =>
  error === changed ||
  (error instanceof Problem
    ? error.code === 'LockTimeout' || error.code === 'CatalogChanged'
    : ['55P03', '57014', '40P01', 'XX000'].includes(sqlstateOf(error) ?? ''))

/** What changed meanwhile, in words; null if a lock was not granted. */
const changeIn = (error: unknown): string | null => {
  if (error instanceof Problem) return error.code === 'CatalogChanged' ? error.message : null
  return error === changed || sqlstateOf(error) === 'XX000' ? changed.message : null
}

const changed = new Error('what stands in the way changed while its locks were taken')

const namesIn = ({ items, obstacles }: InTheWay): string =>
  JSON.stringify([obstacles, items.map((item) => ({ ...item, populated: null, sizeBytes: null }))])

/** Children first, as readers lock, and the tables last. */
const locksOf = ({ items }: InTheWay, relations: TouchedRelation[]): Statement[] => [
  ...lockStatements(items),
  ...relations
    .filter(({ touched, isTable, mayLock }) => touched.locked && isTable && mayLock)
    .map(({ name }) => lockTable(name)),
]

/** One statement, because `statement_timeout` limits each statement of its own. */
const oneBlock = (statements: Statement[]): string => `
set local lock_timeout = ${shortLockMs}; set local statement_timeout = ${shortTryMs};
do ${literal(`begin ${statements.map(({ sql }) => `${sql};`).join(' ')} end`)};
set local statement_timeout = 0`

async function readHolders(sql: Sql, found: InTheWay | undefined): Promise<Holders> {
  const backup = await readBackup(sql)
  if (backup !== null) return { who: besideBackup(backup), advice: 'Try again when the backup has ended.' }
  const views = (found?.items ?? []).map(({ live }) => live.view)
  const nobody = {
    who: 'another session holds a lock on one of them, as a refresh does',
    advice: 'Try again.',
  }
  if (views.length === 0) return nobody
  const [row] = await sql.unsafe<{ holders: Holders | null }[]>(
    `select h as holders from (${holdersQuery(views, 'AccessExclusiveLock')}) as x(h)`,
  )
  return row?.holders ?? nobody
}
