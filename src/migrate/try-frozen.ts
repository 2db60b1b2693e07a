import { setTimeout as pause } from 'node:timers/promises'
import { readOwner } from '../catalog/db/owner.ts'
import { isToWrite } from '../catalog/plan/differences.ts'
import type { LiveView } from '../catalog/plan/live-view.ts'
import { executeStatements, StatementRefused } from '../rebuild/db/statements.ts'
import { sealedAsOwner } from '../rebuild/plan/shadow.ts'
import { readViewJournal } from '../record/definitions/authored.ts'
import { findKnown, readLiveView } from '../record/definitions/look.ts'
import type { Database, Sql } from '../server/database.ts'
import { sqlstateOf } from '../server/failures.ts'
import { undone } from '../server/transactions.ts'
import { runPlainSql } from '../set-aside/db/own-sql.ts'
import { withoutReadersOf } from '../set-aside/without-readers.ts'
import { quoteName } from '../sql/names.ts'
import { readSettings } from '../sql/settings.ts'
import { readsViews } from '../trial/db/copies.ts'
import { applySettings, performPlan, readMeaning, readShadow } from '../trial/db/read-shadow.ts'
import { viewArgument } from '../words/commands.ts'
import { displayName, type QualifiedName } from '../words/names.ts'
import { docsOf, Problem } from '../words/problem.ts'
import { findBadCheck, isNullSomewhere, type NullableKey, readKey } from './db/lint.ts'
import { failed, notFrozen, wayBackFailed } from './migration-failures.ts'
import { moveToPlaceholders } from './placeholders.ts'
import {
  definitionsOf,
  type FrozenChange,
  type FrozenMigration,
  type FrozenText,
  isViewChange,
  ofParts,
  ofTable,
  partsOf,
  viewAfter,
} from './plan/frozen.ts'
import { compareJournal, insistOnOwnFolder } from './plan/journal.ts'
import { type Change, definitionAsLive, driftOf } from './plan/redefine.ts'
import { planChange, planFrozen } from './plan-change.ts'

/** What a migration did when it was tried. */
export interface Verified {
  name: string
  /** Null if the view is in its new state already: the migration only records it. */
  does: Change | null
  wayBack: WayBack
  /** The plain views that the migration pointed to the new view. */
  dependents: string[]
  indexes: number
  grants: number
  /** The columns of the view's unique key if they are null in some rows. */
  nullKey: string | null
}

const longestMs = 600_000
const mostTries = 30

/** Does work on a connection as trials need it. */
export const forTrials = <T>(database: Database, work: (sql: Sql) => Promise<T>): Promise<T> =>
  database.withConnection(work, {
    startUp: { application_name: 'viewkeeper freeze', statement_timeout: '60000' },
    deadline: Date.now() + longestMs,
    writes: true,
  })

/**
 * Tries migrations that are about to be frozen: up, down and up again, without data, and rolls everything
 * back. As long as nothing is refused, the trial is on placeholders of the views, and locks no reader out. Frozen migrations that
 * the database lacks are tried before them. If the view is in its new state already, the way back is tried from there. Throws
 * if the database was migrated from another folder, if a statement does not run, if something is in the way of the up
 * migration, or if the down migration does not restore the view.
 */
export async function tryFrozen(
  sql: Sql,
  frozen: FrozenMigration[],
  fresh: FrozenMigration[],
): Promise<Verified[]> {
  return untilUnlocked(async () => withNullKeys(sql, await tryOnce(sql, frozen, fresh)))
}

/** Does work where frozen migrations are applied, and those that are about to be frozen; undoes all of it. */
export const whereApplied = <T>(
  sql: Sql,
  frozen: FrozenMigration[],
  fresh: FrozenMigration[],
  work: (sql: Sql) => Promise<T>,
): Promise<T> =>
  untilUnlocked(async () => {
    const { pending } = compareJournal(frozen, await readViewJournal(sql))
    return undone(sql, async (part) => {
      await applyAll(part, pending, fresh)
      for (const { up, down } of fresh) await tryChange(part, down?.change ?? null, up)
      return work(part)
    })
  })

async function untilUnlocked<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      // Somebody reads or refreshes one of the views. We do not make them wait: try again later.
      if (!isLocked(error) || tries === mostTries) throw error
      await pause(Math.min(tries * 200, 2000))
    }
  }
}

const isLocked = (error: unknown): boolean =>
  (error instanceof Problem && ['LockTimeout', 'AlreadyRunning'].includes(error.code)) ||
  [error, (error as Error).cause].some((each) => sqlstateOf(each) === '55P03')

/** What a trial tells by itself. Whether a key is null is found out afterwards, when no view is locked any more. */
type TriedFrozen = Omit<Verified, 'nullKey'> & { keys: NullableKey[] }

const withNullKeys = (sql: Sql, tried: TriedFrozen[]): Promise<Verified[]> =>
  inTurn(tried, async ({ keys, ...each }) => {
    for (const key of keys) if (await isNullSomewhere(sql, key)) return { ...each, nullKey: key.columns }
    return { ...each, nullKey: null }
  })

/** What `work` makes of each, one after the other: all is on one connection. */
async function inTurn<T, R>(all: T[], work: (each: T) => Promise<R>): Promise<R[]> {
  const done: R[] = []
  for (const each of all) done.push(await work(each))
  return done
}

async function tryOnce(
  sql: Sql,
  frozen: FrozenMigration[],
  fresh: FrozenMigration[],
): Promise<TriedFrozen[]> {
  const journal = await readViewJournal(sql)
  insistOnOwnFolder(frozen, journal)
  const { pending } = compareJournal(frozen, journal)
  const tried = await tryOnPlaceholders(sql, pending, fresh)
  return tried ?? (await undone(sql, (part) => tryAll(part, pending, fresh)))
}

/** Null if placeholders do not tell: then the views themselves are tried, and a refusal is worded with their names. */
async function tryOnPlaceholders(
  sql: Sql,
  pending: FrozenMigration[],
  fresh: FrozenMigration[],
): Promise<TriedFrozen[] | null> {
  try {
    const tried = await undone(sql, async (part) => {
      const moved = await moveToPlaceholders(part, pending, fresh)
      if (moved === null) return null
      const all = await tryAll(part, moved.pending, moved.fresh)
      const isWhole = all.every(({ wayBack: { instead, blocked } }) => instead === null && blocked === null)
      return isWhole && !(await readsViews(part, moved)) ? moved.named(all) : null
    })
    if (tried === null) return null
    for (const [at, { does }] of tried.entries()) {
      const migration = fresh[at] as FrozenMigration
      if (does === 'alter') await undone(sql, (part) => tryBesideReaders(part, migration))
      // What else reads the view reads no placeholder.
      if (does !== 'create') await insistOnChecks(sql, migration.up.change)
    }
    return tried.map((each, at) => {
      const { change } = (fresh[at] as FrozenMigration).down as FrozenText
      return { ...each, wayBack: { ...each.wayBack, change } }
    })
  } catch (error) {
    if (isLocked(error) || !(error instanceof Problem || error instanceof StatementRefused)) throw error
    return null
  }
}

/** Builds the indexes of a change on the rows of the view, which a placeholder lacks. Readers notice nothing. */
async function tryBesideReaders(sql: Sql, { up, down }: FrozenMigration): Promise<void> {
  if (!isViewChange(up.change)) return
  const planned = await planChange(sql, (down as FrozenText).change, up.change, trialOptions)
  if (planned !== null) await executeStatements(sql, planned.plan.prepare, false)
}

const trialOptions = { withData: false, deadline: 0, isTrial: true }

async function applyAll(sql: Sql, pending: FrozenMigration[], fresh: FrozenMigration[]): Promise<void> {
  for (const [at, { up, down }] of pending.entries()) {
    const later = [...pending.slice(at + 1), ...fresh]
    await tryChange(sql, down?.change ?? null, up, { asProblem: failed, later })
  }
}

async function tryAll(
  sql: Sql,
  pending: FrozenMigration[],
  fresh: FrozenMigration[],
): Promise<TriedFrozen[]> {
  await applyAll(sql, pending, fresh)
  return inTurn(fresh, async ({ name, up, down }) => {
    try {
      return await tryBothWays(sql, name, up, down as FrozenText)
    } catch (error) {
      if (isLocked(error) || (error instanceof Problem && error.code === 'MigrationFailed')) throw error
      throw notFrozen(up, error)
    }
  })
}

async function tryBothWays(
  sql: Sql,
  name: string,
  up: FrozenText,
  frozenDown: FrozenText,
): Promise<TriedFrozen> {
  const parts = await inTurn(partsOf(frozenDown.change), async (change): Promise<TriedPart> => {
    const before = await readAfter(sql, change)
    return { before, ...(await findWayBack(sql, change, before)) }
  })
  const change = ofParts(parts.map((part) => part.change))
  const instead = parts.find((part) => part.instead !== null)?.instead ?? null
  const down = { ...frozenDown, change }
  const does = await tryChange(sql, change, up)
  await insistOnChecks(sql, up.change)
  const isThere = parts.some(({ before }) => before !== null)
  if (isThere && does !== null && up.change.does === 'define' && change.does === 'drop')
    throw neverFrozen(up.change.definition)
  const blocked = await undone(sql, (part) => tryBackAndForth(part, { up, down, parts, does }))
  const after = (await inTurn(partsOf(up.change), (part) => readAfter(sql, part))).filter(
    (live) => live !== null,
  )
  const keys = await inTurn(definitionsOf(up.change), (definition) => readKey(sql, definition))
  return {
    name,
    does,
    wayBack: { change, instead, drift: parts.flatMap(({ drift }) => drift), blocked },
    keys: keys.filter((key) => key !== null),
    dependents: does === 'rebuild' ? [...new Set(after.flatMap(dependentViews))] : [],
    indexes: after.flatMap(({ indexes }) => indexes).length,
    grants: after.flatMap(({ grants, view }) => grants.filter(({ grantee }) => grantee !== view.owner))
      .length,
  }
}

/** A view of a migration that is tried, as it was, and its way back. */
type TriedPart = Omit<WayBack, 'blocked'> & { before: LiveView | null }

interface Trip {
  up: FrozenText
  down: FrozenText
  parts: TriedPart[]
  does: Change | null
}

/** Tries the way back and the way up again. Returns why the way back does not work; null if it works. */
async function tryBackAndForth(sql: Sql, { up, down, parts, does }: Trip): Promise<string | null> {
  try {
    await tryChange(sql, up.change, down, { asProblem: wayBackFailed })
  } catch (error) {
    if (error instanceof Problem && error.code === 'MigrationFailed') return error.message
    throw error
  }
  for (const { before, change, drift } of parts) {
    const back = await readAfter(sql, change)
    const wasAsFrozen = before !== null && does !== null && does !== 'drop' && drift.length === 0
    const isRestored = wasAsFrozen
      ? back !== null && JSON.stringify(comparable(before)) === JSON.stringify(comparable(back))
      : (await findWayBack(sql, change, back)).drift.length === 0
    if (!isRestored) throw notRestored((back ?? before) as LiveView)
  }
  await tryChange(sql, down.change, up)
  return null
}

const neverFrozen = (view: QualifiedName): Problem =>
  new Problem(
    'MigrationFailed',
    `${displayName(view)} is in this database already, differs from its definition, and was never frozen: the up file would ` +
      'change it, and the down file would drop it. Move its file out of views/, run ' +
      `\`npx viewkeeper adopt ${viewArgument(view)}\`, write the change into the adopted file, and freeze again. Nothing was written.`,
  )

const notRestored = ({ view }: LiveView): Problem =>
  new Problem(
    'MigrationFailed',
    `${displayName(view)}: the down migration does not restore the view exactly as it is in this database: something that no ` +
      'definition holds, such as the comment on a column, is lost on the way. Nothing was written.',
  )

async function tryChange(
  sql: Sql,
  from: FrozenChange | null,
  to: FrozenText,
  { asProblem = notFrozen, later = [] }: { asProblem?: typeof failed; later?: FrozenMigration[] } = {},
): Promise<Change | null> {
  const { change: wanted } = to
  if (wanted.does === 'sql') {
    await runPlainSql(sql, to, [], 'tried', await withoutReadersOf(wanted, { withData: false }))
    return null
  }
  try {
    const change = await planFrozen(sql, { from, to: wanted, later }, trialOptions)
    if (change !== null) {
      await performPlan(sql, change.plan)
      for (const part of partsOf(wanted)) await insistOnReadable(sql, part)
      return change.does
    }
    // Settings are tried even if nothing else has changed: an invalid one would fail every refresh. In force, they would be so for the migrations that follow.
    for (const { settings, ...view } of definitionsOf(wanted))
      await undone(sql, (part) => applySettings(part, readSettings(quoteName(view), settings)))
    return null
  } catch (error) {
    if (isLocked(error)) throw error
    throw asProblem(to, error)
  }
}

/**
 * Refuses a query whose owner may not read all that it reads: a view is made without that right, and a trial fills none. Any
 * other failure is the query's own, and told by a refresh.
 */
async function insistOnReadable(sql: Sql, change: FrozenChange): Promise<void> {
  const live = await readAfter(sql, change)
  if (live === null) return
  const sealed = { phase: 'building', ...sealedAsOwner(live), hidden: true } as const
  try {
    await executeStatements(sql, [{ ...sealed, sql: `explain ${live.view.definition}` }], false)
  } catch (error) {
    if (sqlstateOf((error as Error).cause) === '42501') throw error
  }
}

/** Refuses a check that cannot be made, or that would see old data. */
async function insistOnChecks(sql: Sql, change: FrozenChange): Promise<void> {
  for (const definition of definitionsOf(change)) {
    const bad = await findBadCheck(sql, definition)
    if (bad !== null)
      throw new Problem(
        'MigrationFailed',
        `${displayName(definition)}: ${bad}. Nothing was written. More: ${docsOf('checks.md')}.`,
      )
  }
}

/** The live view that a change leaves, with what its query means; null if the change leaves none. */
async function readAfter(sql: Sql, change: FrozenChange): Promise<LiveView | null> {
  const found = isViewChange(change) ? await findKnown(sql, viewAfter(change)) : undefined
  if (found === undefined) return null
  const { live } = (await readLiveView(sql, found)).snapshot
  const meaning = await readMeaning(sql, live.view)
  return { ...live, view: { ...live.view, ...(meaning !== null && { meaning }) } }
}

const dependentViews = (live: LiveView): string[] =>
  live.dependents.flatMap(({ view }) => (view === null ? [] : [quoteName(view)]))

/** A view without OIDs, and what its query means instead of its text; its dependents have an order that no rebuild changes. */
const comparable = (live: LiveView) => ({
  ...live,
  view: { ...live.view, definition: null },
  untouchedGrants: null,
  grants: live.grants.filter((grant) => grant.grantee === live.view.owner || !isToWrite(grant)),
  dependents: live.dependents
    .map(({ description, view }) => [description, view && { ...view, oid: null }])
    .sort(),
})

/** The way back of a migration that is about to be frozen. */
interface WayBack {
  /** What the down file does. */
  change: FrozenChange
  /** Why the server refuses the definition that was frozen before; `change` makes the view as it is now instead. */
  instead: string | null
  /** How the view differs from the definition that was frozen before: the up migration overwrites this. */
  drift: string[]
  /** Why the down migration does not work in this database as it is now; null if it works. */
  blocked: string | null
}

/**
 * Finds the way back to `before`, the view as it is now. That is the definition that was frozen before. If the server
 * refuses this definition, because a table or a view that it reads was changed, the way back is the view as it is now; if
 * there is none, the way back drops the view.
 */
async function findWayBack(
  sql: Sql,
  frozen: FrozenChange,
  before: LiveView | null,
): Promise<Omit<WayBack, 'blocked'>> {
  const found = { change: frozen, instead: null, drift: [] }
  if (frozen.does !== 'define') return found
  const { definition } = frozen
  try {
    const owner = before?.view.owner ?? (await readOwner(sql, definition.owner))
    const shadow = await readShadow(sql, definition, owner, before ?? undefined)
    return { ...found, drift: before === null ? [] : driftOf(before, shadow, definition.owner) }
  } catch (error) {
    if (!(error instanceof StatementRefused)) throw error
    const sqlstate = sqlstateOf(error.cause)
    // A missing right says nothing about the definition: trying the migration tells what is missing.
    if (sqlstate === '42501') return found
    const { schema, name } = definition
    return {
      ...found,
      change:
        before === null
          ? { does: 'drop', view: { schema, name }, ...ofTable(definition) }
          : { does: 'define', definition: definitionAsLive(definition, before) },
      instead: `${error.message} (${sqlstate ?? 'no SQLSTATE'})`,
    }
  }
}
