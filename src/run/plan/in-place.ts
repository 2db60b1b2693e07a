import type { ViewFacts } from '../../catalog/plan/live-view.ts'
import { hintsOn } from '../../catalog/plan/obstacles.ts'
import { checkData, insistOnChecking, recordChecksSoon } from '../../rebuild/plan/check-data.ts'
import { filling, type RefreshStrategy, type RunOptions, uniqueOf } from '../../rebuild/plan/fill.ts'
import {
  besideReaders,
  exclusively,
  holdRow,
  type Locked,
  lockAgainstChanges,
  ourselves,
  withoutAltering,
} from '../../rebuild/plan/locks.ts'
import { lockWhatIsRead, recordChecks } from '../../record/plan/work.ts'
import { literal, quoteName } from '../../sql/names.ts'
import type { RunPlan, Statement } from '../../sql/run-plan.ts'
import { displayName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import { usableIndex } from './strategy.ts'

/** Plans `refresh materialized view`, which locks readers out while it works. Pure. */
export function planRegularRefresh(view: ViewFacts, options: RunOptions): RunPlan {
  const { timeoutSeconds, checking } = options
  const work = [...refreshInPlace(view, options, 'fill'), ...recordChecksSoon(checking)]
  return {
    ...inPlace(options),
    locked: view.mayAlter
      ? exclusively(touched(view), work, { timeoutSeconds, guard: lockAndNote([view]), lasts: 'long' })
      : withoutAltering(view, [lockWhatIsRead(view), ...work], timeoutSeconds),
    later: [],
  }
}

/**
 * Plans `refresh materialized view` of views that read each other, parents first, in one transaction: it locks readers out of all of
 * them, and they see all new data at one moment. `members` are the others. Pure.
 */
export function planRegularTogether(
  views: ViewFacts[],
  members: NonNullable<RunPlan['members']>,
  options: RunOptions,
): RunPlan {
  const refreshes = views.flatMap((view) =>
    refreshInPlace(view, options, 'fill').map((statement) => ({ ...statement, view: displayName(view) })),
  )
  return {
    ...inPlace(options),
    locked: exclusively(views.toReversed().flatMap(touched), refreshes, {
      timeoutSeconds: options.timeoutSeconds,
      guard: lockAndNote(views),
      lasts: 'long',
    }),
    members,
    later: [],
  }
}

/**
 * Plans `refresh materialized view concurrently`, which changes only rows that differ, beside readers. Pure.
 */
function planConcurrentRefresh(view: ViewFacts, options: RunOptions): RunPlan {
  const { timeoutSeconds, checking } = options
  const work = [
    lockWhatIsRead(view),
    ...refreshInPlace(view, options, 'fillConcurrently'),
    ...recordChecks([checking]),
  ]
  return {
    ...inPlace(options),
    locked: besideReaders(view, work, timeoutSeconds),
    later: [],
  }
}

/** Locks readers out, and is always possible. */
export const regular: RefreshStrategy = { name: 'regular', plan: planRegularRefresh }

/** Spares readers, and needs a unique index. */
export const concurrent: RefreshStrategy = {
  name: 'concurrent',
  plan: (view, options) =>
    usableIndex(view) === undefined ? uniqueIndexRequired(view) : planConcurrentRefresh(view, options),
}

/** What both plans have in common. */
const inPlace = ({ ifRunning, settings }: RunOptions) =>
  ({
    ifRunning,
    basis: null,
    settings,
    result: 'updated',
    fills: true,
    prepare: [] as Statement[],
  }) as const

/** The view for its lock, which touches a column: so the row of the view still tells the note who has filled it. */
const touched = (view: ViewFacts): Locked[] =>
  ourselves(view).map((each) => (view.firstColumn ? { ...each, columns: [view.firstColumn] } : each))

/**
 * Locks what the views read, and then notes how old their data will be, before readers are locked out: to note it takes as long as to refresh a
 * small view. Nobody else refreshes or alters the views after the lock that comes before this. Parents come first. At last, waits for grants that are
 * not committed, by writing the rows of the views unchanged: readers would wait for them behind the exclusive lock.
 */
const lockAndNote = (views: ViewFacts[]): Statement[] => [
  ...views.map(lockWhatIsRead),
  ...views.map(
    (view): Statement => ({
      kind: 'command',
      phase: 'locking',
      sql: 'select',
      fills: filling(view),
      hidden: true,
    }),
  ),
  ...views.flatMap(touched).flatMap(holdRow),
]

/** Refreshes the view, and checks the new data where the refresh has put them. Nobody else sees them before the commit. */
const refreshInPlace = (
  view: ViewFacts,
  { checking, insistsOnOwner = false }: RunOptions,
  how: 'fill' | 'fillConcurrently',
): Statement[] => [
  // A regular refresh has locked the view before, if we may alter it: then `lockAndNote` came before it, too.
  ...(insistsOnOwner && view.mayAlter && how !== 'fill' ? touched(view).flatMap(lockAgainstChanges) : []),
  ...(insistsOnOwner ? [insistOnOwner(view)] : []),
  {
    phase: 'building',
    sql: `refresh materialized view ${how === 'fill' ? '' : 'concurrently '}${quoteName(view)}`,
    kind: 'userCode',
    computesRows: true,
    ...(how === 'fill' ? { locksReaders: true } : {}),
    fills: { ...filling(view), ...(how === 'fill' ? view.mayAlter && { noted: true } : { differs: true }) },
    obstacles: hintsOn(view, how),
    unique: uniqueOf(view),
  },
  ...(checking ? checkData({ view, relation: view, seal: insistOnChecking(view) }, checking) : []),
]

/** Where the lock on the view is taken before, nobody can give the view away between this and the refresh. */
const insistOnOwner = (view: ViewFacts): Statement => ({
  kind: 'check',
  phase: 'locking',
  sql: `select c.relowner::regrole::text from pg_catalog.pg_class c where c.oid = to_regclass(${literal(quoteName(view))})`,
  check: {
    is: view.owner,
    else: 'CatalogChanged',
    message: `${view.view} does not belong to ${view.owner} any more. Refresh again.`,
  },
  hidden: true,
})

function uniqueIndexRequired(view: ViewFacts): Problem {
  const flawed = view.uniqueIndexes.map((index) => `${index.name} ${index.unusableBecause}`)
  const flaws = flawed.length === 0 ? '' : ` (${flawed.join('; ')})`
  const columns = view.keyCandidate ?? '<the columns that identify a row>'
  return new Problem(
    'UniqueIndexRequired',
    `${view.view} cannot be refreshed concurrently: it has no usable unique index${flaws}. ` +
      `Create one: create unique index concurrently on ${view.view} (${columns}); or use strategy "swap".`,
    { field: 'strategy' },
  )
}
