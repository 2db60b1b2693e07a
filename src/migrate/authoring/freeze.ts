import { inRemovalOrder, type Located, readsNowAndBefore, unread } from '../../authored/load.ts'
import { canonicalSql } from '../../authored/sql/read.ts'
import { notValid } from '../../authored/view-report.ts'
import type { Definition } from '../../catalog/plan/definition.ts'
import type { Difference } from '../../catalog/plan/differences.ts'
import { unknownDependencies } from '../../catalog/plan/graph.ts'
import { listReadableNames, readDependencies } from '../../record/definitions/read-graph.ts'
import type { Database, Sql } from '../../server/database.ts'
import { quoteName } from '../../sql/names.ts'
import { viewArgument } from '../../words/commands.ts'
import { didYouMean, displayName, parseName, type QualifiedName } from '../../words/names.ts'
import { docsOf, Problem } from '../../words/problem.ts'
import { type Fresh, toMigrations } from '../frozen-migrations.ts'
import { authoredDifferences, type NewMigration, planFreeze, unaccounted } from '../plan/freeze.ts'
import { type FrozenMigration, frozenState } from '../plan/frozen.ts'
import { forTrials, tryFrozen, type Verified } from '../try-frozen.ts'
import { planLogs, slicedAmong, withoutLiveViews, withoutOldLogs } from './logs.ts'

/** What is to be frozen. */
interface FreezeCall {
  /** Every authored definition, each after those that it reads. */
  located: Located[]
  frozen: FrozenMigration[]
  /** The folders as people know them. */
  folders: { views: string; migrations: string }
  why: string
  /** Only these views; null: all views. */
  only: QualifiedName[] | null
  renames: { from: QualifiedName; to: QualifiedName }[]
  removes: QualifiedName[]
}

/** Migrations that are not written yet, and what each did when it was tried. */
interface Freeze {
  fresh: NewMigration[]
  /** Null if nothing was tried. */
  verified: Verified[] | null
  /** With those of change logs, which come last. */
  migrations: FrozenMigration[]
  /** The definitions whose change log was tried. */
  sliced: Definition[]
}

/**
 * Plans a migration for each view that is new or has changed, and tries them on a database, up and down. Views whose queries
 * have changed and that read each other share a migration. Null if nothing has changed. `database` is called only if
 * something has changed; if it returns null, nothing is tried.
 */
export async function freeze(call: FreezeCall, database: () => Database | null): Promise<Freeze | null> {
  const { located, frozen, why, only, renames, removes } = call
  insistOnViews(call)
  const authored = located.map(({ definition }) => definition)
  const state = frozenState(frozen)
  const request = {
    authored,
    migrations: frozen,
    why,
    only,
    renames,
    removes: await inRemovalOrder(removes, state),
    removesFirst: await unread(removes, state),
    canonical: await canonicalOf(authored, frozen),
  }
  const isNamed = (view: Definition) => only?.some((each) => quoteName(each) === quoteName(view)) ?? false
  const isLogAsked = [...state.values()].some((view) => view.slices !== null && isNamed(view))
  if (planFreeze(request).length === 0 && !isLogAsked) return null
  const planOn = async (reading: Map<string, string[]>) =>
    planFreeze({ ...request, reads: await readsNowAndBefore(authored, state, reading) })
  const on = database()
  if (on === null) {
    const fresh = await planOn(new Map())
    const all = [...frozen, ...toMigrations(fresh, frozen)]
    const [sliced] = slicedAmong(all, fresh, isNamed)
    if (sliced !== undefined)
      throw refused(
        '--unverified',
        `${displayName(sliced)} has slices, whose change log is planned on a database. Leave --unverified out`,
      )
    const migrations = toMigrations([...withoutOldLogs(frozen, all).old, ...fresh], frozen)
    return { fresh, verified: null, migrations, sliced: [] }
  }
  return forTrials(on, async (sql) => {
    const fresh = await planOn(await readReading(sql))
    await insistOnDependencies(sql, call, fresh)
    const tried = async (first: Fresh[]) => {
      const before = [...frozen, ...toMigrations(first, frozen)]
      const planned = toMigrations(fresh, before)
      return { first, before, planned, verified: await tryFrozen(sql, before, planned) }
    }
    const { inTheWay, gone } = withoutLiveViews(frozen, fresh)
    const { first, before, planned, verified } = await tried(gone).catch((error) => {
      if (!(error.cause instanceof Problem) || error.cause.code !== 'DependentsExist') throw error
      return tried([...gone, ...inTheWay])
    })
    const all = [...before, ...planned]
    const sliced = slicedAmong(all, fresh, isNamed)
    const { old, made } =
      sliced.length === 0 ? withoutOldLogs(before, all) : await planLogs(sql, before, planned, sliced)
    const migrations = toMigrations([...first, ...old, ...withWaysBack(fresh, verified), ...made], frozen)
    return migrations.length === 0 ? null : { fresh, verified, migrations, sliced }
  })
}

/** The migrations with the ways back that work on the database. */
const withWaysBack = (fresh: NewMigration[], verified: Verified[]): NewMigration[] =>
  fresh.map((each, at) => {
    const { change } = verified[at]?.wayBack ?? each.down
    return { ...each, down: { ...each.down, change } }
  })

/**
 * Refuses names that no view has. Refuses views that are no longer authored, unless `--remove` or
 * `--rename` names them.
 */
function insistOnViews({ located, frozen, folders, only, renames, removes }: FreezeCall): void {
  const authored = located.map(({ definition }) => definition)
  const isAuthored = new Set(authored.map(quoteName))
  const isFrozen = frozenState(frozen)
  const { views, migrations } = folders
  const insist = (holds: boolean, field: string, message: string, question = '') => {
    if (!holds) throw refused(field, message, question)
  }
  for (const view of only ?? [])
    insist(
      isAuthored.has(quoteName(view)),
      'view',
      `no file in ${views} defines ${displayName(view)}`,
      didYouMean(view, authored),
    )
  for (const view of removes) {
    insist(
      isFrozen.has(quoteName(view)),
      '--remove',
      `${displayName(view)} was never frozen, so ${migrations} has nothing to remove. If the view is in the database, drop it there, ` +
        `or with own SQL (${docsOf('changing-tables.md#a-migration-of-your-own')})`,
      didYouMean(view, [...isFrozen.values()]),
    )
    insist(
      !isAuthored.has(quoteName(view)),
      '--remove',
      `${displayName(view)} is still authored: delete its file in ${views} first`,
    )
  }
  for (const { from, to } of renames) {
    insist(
      isFrozen.has(quoteName(from)),
      '--rename',
      `${displayName(from)} was never frozen`,
      didYouMean(from, [...isFrozen.values()]),
    )
    insist(!isFrozen.has(quoteName(to)), '--rename', `${displayName(to)} is frozen already as another view`)
    insist(
      isAuthored.has(quoteName(to)),
      '--rename',
      `no file in ${views} defines ${displayName(to)}: give the view that name there first`,
    )
    insist(
      !isAuthored.has(quoteName(from)),
      '--rename',
      `${displayName(from)} is still authored: change the name in its file instead of copying the file`,
    )
  }
  const gone = only === null ? unaccounted({ authored, migrations: frozen, renames, removes }) : []
  if (gone.length > 0) {
    const [first] = gone as [Definition, ...Definition[]]
    throw refused(
      views,
      `${gone.map(displayName).join(', ')}: frozen, but no longer authored. Add --remove ${viewArgument(first)}, or --rename ${viewArgument(first, 'new_name')}, for each`,
    )
  }
}

const refused = (field: string, message: string, question = ''): Problem =>
  new Problem('InvalidRequest', `${field}: ${message}.${question}`, { field })

/** Refuses a definition whose `dependsOn` names a view that is neither authored nor frozen nor in the database. */
async function insistOnDependencies(
  sql: Sql,
  { folders, located, frozen }: FreezeCall,
  fresh: NewMigration[],
): Promise<void> {
  const names = new Set(
    fresh.flatMap(({ view, others = [] }) => [view, ...others.map((other) => other.view)].map(quoteName)),
  )
  const defined = located.map(({ definition, ...place }) => ({ ...definition, ...place }))
  const known = [...defined, ...frozenState(frozen).values(), ...(await listReadableNames(sql))]
  const unknown = unknownDependencies(
    defined.filter((each) => names.has(quoteName(each))),
    known,
  )
  const problems = unknown.map(({ definition: { file, line }, message }) => ({
    file,
    line,
    field: 'dependsOn',
    message,
  }))
  if (problems.length > 0) throw notValid(folders.views, problems)
}

/** Which views each view of the database reads, also through plain views; all names quoted. */
async function readReading(sql: Sql): Promise<Map<string, string[]>> {
  const quoted = (written: string) => quoteName(parseName(written))
  const views = await readDependencies(sql)
  return new Map([...views].map(([view, reads]) => [quoted(view), reads.map(quoted)]))
}

/** How the authored views differ from the frozen ones. Queries that differ only in their formatting are the same. */
export async function unfrozenDifferences(
  authored: Definition[],
  migrations: FrozenMigration[],
): Promise<Difference[]> {
  return authoredDifferences(authored, migrations, await canonicalOf(authored, migrations))
}

/** A function that gives a query of these one text, however it is formatted. */
export async function canonicalOf(
  authored: Definition[],
  migrations: FrozenMigration[],
): Promise<(sql: string) => string> {
  const known = new Map<string, string>()
  for (const { sql } of [...authored, ...frozenState(migrations).values()])
    known.set(sql, await canonicalSql(sql).catch(() => sql))
  return (sql) => known.get(sql) ?? sql
}
