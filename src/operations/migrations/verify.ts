import { setTimeout as pause } from 'node:timers/promises'
import { insistOnOwnFolder, readViewJournal, standingOf } from '../../db/migrations/journal.ts'
import { readNullKey, readTextFunctions, type TextFunction } from '../../db/migrations/lint.ts'
import { runPlainSql } from '../../db/migrations/own-sql.ts'
import { applySettings, isSameQuery, performPlan, undone } from '../../db/migrations/trial.ts'
import type { Database, Sql } from '../../db/server/connect.ts'
import { sqlstateOf } from '../../db/server/failures.ts'
import { findView } from '../../db/views/catalog.ts'
import { readLiveView } from '../../db/views/look.ts'
import {
  type FrozenChange,
  type FrozenMigration,
  type FrozenText,
  isViewChange,
  viewAfter,
} from '../../plan/migrations/frozen.ts'
import { displayName, quoteName } from '../../plan/names.ts'
import { readSettings } from '../../plan/settings.ts'
import type { LiveView } from '../../plan/views/live-view.ts'
import { Problem } from '../../problem.ts'
import { failed, notFrozen } from './failures.ts'
import { type Change, planChange } from './plan.ts'

/** What a migration did when it was tried. */
export interface Verified {
  name: string
  does: Change | null
  /** The plain views that the migration pointed to the new view. */
  dependents: string[]
  indexes: number
  grants: number
  /** Functions of the view that may not find their names in a refresh (see readTextFunctions). */
  functions: TextFunction[]
  /** The columns of the view's unique key if they are null in some rows. */
  nullKey: string | null
}

const longestMs = 600_000
const mostTries = 30

/**
 * Tries migrations that are about to be frozen: up, down and up again, without data, and rolls everything
 * back. Frozen migrations that the database lacks are tried before them. Throws if the database was migrated
 * from another folder, if a statement does not run, if something is in the way, or if the down migration does
 * not restore the view.
 */
export const verifyFrozen = (
  database: Database,
  frozen: FrozenMigration[],
  fresh: FrozenMigration[],
): Promise<Verified[]> =>
  database.withConnection(
    async (sql) => {
      for (let tries = 1; ; tries++) {
        try {
          return await undone(sql, (part) => tryAll(part, frozen, fresh))
        } catch (error) {
          // Somebody reads or refreshes one of the views. We do not make them wait: try again later.
          if (!isLocked(error) || tries === mostTries) throw error
          await pause(Math.min(tries * 200, 2000))
        }
      }
    },
    {
      startUp: { application_name: 'viewkeeper freeze', statement_timeout: '60000' },
      deadline: Date.now() + longestMs,
    },
  )

const isLocked = (error: unknown): boolean =>
  (error instanceof Problem && error.code === 'LockTimeout') ||
  [error, (error as Error).cause].some((each) => sqlstateOf(each) === '55P03')

async function tryAll(sql: Sql, frozen: FrozenMigration[], fresh: FrozenMigration[]): Promise<Verified[]> {
  const journal = await readViewJournal(sql)
  insistOnOwnFolder(frozen, journal)
  for (const { up, down } of standingOf(frozen, journal).pending)
    await tryChange(sql, down?.change ?? null, up, failed)
  const verified: Verified[] = []
  for (const { name, up, down } of fresh) {
    try {
      verified.push(await tryBothWays(sql, name, up, down as FrozenText))
    } catch (error) {
      if (isLocked(error) || (error instanceof Problem && error.code === 'MigrationFailed')) throw error
      throw notFrozen(up, error)
    }
  }
  return verified
}

async function tryBothWays(sql: Sql, name: string, up: FrozenText, down: FrozenText): Promise<Verified> {
  const before = await readAfter(sql, down.change)
  const does = await tryChange(sql, down.change, up)
  const after = await readAfter(sql, up.change)
  if (does !== null) {
    await tryChange(sql, up.change, down)
    const back = await readAfter(sql, down.change)
    if (before !== null && does !== 'drop' && !(await isSame(sql, before, back))) {
      throw new Problem(
        'MigrationFailed',
        `${displayName(before.view)}: the down migration does not restore the view as it is in this database, ` +
          'because the view differs from what was frozen. `npx viewkeeper check` names the differences. Nothing was written.',
      )
    }
    await tryChange(sql, down.change, up)
  }
  const defined = up.change.does === 'define' ? up.change.definition : null
  return {
    name,
    does,
    functions: defined === null ? [] : await readTextFunctions(sql, defined),
    nullKey: defined === null ? null : await readNullKey(sql, defined, defined.sql),
    dependents: does === 'rebuild' ? dependentViews(after) : [],
    indexes: after?.indexes.length ?? 0,
    grants: after?.grants.filter(({ grantee }) => grantee !== after.view.owner).length ?? 0,
  }
}

async function tryChange(
  sql: Sql,
  from: FrozenChange | null,
  to: FrozenText,
  asProblem: typeof failed = notFrozen,
): Promise<Change | null> {
  const { change: wanted } = to
  if (wanted.does === 'squash') return null
  if (wanted.does === 'sql') {
    await runPlainSql(sql, to, [], 'tried')
    return null
  }
  try {
    const change = await planChange(sql, from, wanted, { withData: false, deadline: 0 })
    if (change !== null) await performPlan(sql, change.plan)
    // Settings are tried even if nothing else has changed: an invalid one would fail every refresh.
    else if (wanted.does === 'define')
      await applySettings(sql, readSettings(quoteName(wanted.definition), wanted.definition.settings))
    return change?.does ?? null
  } catch (error) {
    if (isLocked(error)) throw error
    throw asProblem(to, error)
  }
}

/** The live view that a change leaves; null if the change leaves none. */
async function readAfter(sql: Sql, change: FrozenChange): Promise<LiveView | null> {
  const found = isViewChange(change) ? await findView(sql, viewAfter(change)) : undefined
  return found === undefined ? null : (await readLiveView(sql, found)).snapshot.live
}

const dependentViews = (live: LiveView | null): string[] =>
  (live?.dependents ?? []).flatMap(({ view }) => (view === null ? [] : [quoteName(view)]))

/**
 * Whether two views are the same. If the query texts differ, the server reads both again, as `back`'s owner.
 */
async function isSame(sql: Sql, before: LiveView, back: LiveView | null): Promise<boolean> {
  if (back === null || !(await isSameQuery(sql, before, back, back.view.owner))) return false
  return JSON.stringify(comparable(before)) === JSON.stringify(comparable(back))
}

/** A view without OIDs; its dependents have an order that no rebuild changes. */
const comparable = (live: LiveView) => ({
  ...live,
  view: { ...live.view, definition: null },
  untouchedGrants: null,
  dependents: live.dependents
    .map(({ description, view }) => [description, view && { ...view, oid: null }])
    .sort(),
})
