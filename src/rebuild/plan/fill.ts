import type { RowCountStrategy } from '../../catalog/plan/definition.ts'
import type { ViewFacts } from '../../catalog/plan/live-view.ts'
import { hintsOn } from '../../catalog/plan/obstacles.ts'
import { displayName, literal, type QualifiedName, quoteName, type ViewName } from '../../sql/names.ts'
import type { KnownAges, LaterStatement, Plan, Seal, Statement } from '../../sql/plan.ts'
import type { Checking } from './check-data.ts'

/**
 * Counts rows one by one, as the view's owner. Must never happen while readers are locked out. Even `count(*)` executes code of
 * others: the planner computes what is constant in index expressions, predicates and statistics objects.
 */
export const countRows = (view: QualifiedName, seal: Seal, when: 'before' | 'after'): LaterStatement => ({
  phase: 'counting',
  sql: `select jsonb_build_object('rows', count(*)) as found from ${quoteName(view)}`,
  kind: 'asked',
  when,
  seal,
  reads: view.name,
  obstacles: hintsOn(view, 'count'),
  hidden: true,
})

/** Counts the rows of a shadow that is filled and analyzed. */
export const countShadow = (shadow: QualifiedName, seal: Seal, how: RowCountStrategy): Statement[] => {
  if (how === 'exact') return [countRows(shadow, seal, 'after')]
  return how === 'estimated' ? [readEstimate(shadow, 'after')] : []
}

/** Reads the planner's estimate by name. -1 means that the view was never analyzed, and becomes null. */
export const readEstimate = (view: QualifiedName, when: 'before' | 'after'): LaterStatement => ({
  phase: 'counting',
  sql: `select nullif(reltuples, -1)::bigint from pg_catalog.pg_class where oid = ${literal(quoteName(view))}::regclass`,
  kind: 'count',
  when,
  hidden: true,
})

/** Brings the planner's estimate up to date. */
export const analyze = (view: QualifiedName): LaterStatement => ({
  phase: 'analyzing',
  sql: `analyze ${quoteName(view)}`,
  kind: 'userCode',
  computesRows: true,
})

/** An existing view. */
export type CountedView = QualifiedName & Pick<ViewFacts, 'populated' | 'counting'>

/**
 * Counts before an operation on an existing view. An unpopulated view cannot be read, so it is not counted.
 */
export function countBefore(view: CountedView, how: RowCountStrategy): Statement[] {
  if (how === 'none' || !view.populated) return []
  return how === 'exact' ? countExactly(view, 'before') : [readEstimate(view, 'before')]
}

/** Counts the rows of an existing view; nothing if that cannot be done as its owner. */
export const countExactly = (view: CountedView, when: 'before' | 'after'): LaterStatement[] =>
  view.counting === null ? [] : [countRows(view, view.counting, when)]

/** Analyzes after the commit, so that the estimate after is up to date. */
export const estimateLater = (view: QualifiedName, how: RowCountStrategy): LaterStatement[] =>
  how === 'estimated' ? [analyze(view), readEstimate(view, 'after')] : []

interface Index {
  name: string
  unique?: boolean | undefined
  /** What follows the view's name in `create index`. */
  on: string
}

/** The unique ones among `indexes` in words, as `Statement.unique` needs them. `meanwhile` is the name that an index has. */
export const uniqueIndexes = (indexes: Index[], meanwhile: (at: number) => string): Record<string, string> =>
  Object.fromEntries(
    indexes.flatMap(({ name, unique, on }, at) =>
      unique ? [[meanwhile(at), `${displayName({ schema: null, name })} ${columnsOf(on)}`]] : [],
    ),
  )

/** Without the access method, because only btree indexes are unique, and without the columns that no row must differ in. */
const columnsOf = (on: string): string =>
  on
    .trim()
    .replace(/^using\s+\w+\s*/i, '')
    .replace(/\s+include\s*\([^)]*\)/i, '')

/**
 * Fills `relation`, a view that was created with no data, with the data of `view`. The server then builds the existing
 * indexes, in parallel.
 */
export const fill = (
  relation: QualifiedName,
  view: QualifiedName,
  unique: Statement['unique'] = {},
  known?: KnownAges,
): Statement[] => [
  noteObstacles(relation),
  {
    phase: 'building',
    sql: `refresh materialized view ${quoteName(relation)}`,
    kind: 'userCode',
    computesRows: true,
    fills: { ...filling(view, relation), ...(known && { known }) },
    unique,
  },
]

/** What a statement fills that puts the data of a view into `relation`. */
export const filling = (
  { schema, name }: QualifiedName,
  relation: ViewName = { schema, name },
): NonNullable<Statement['fills']> => ({ view: [schema, name], relation: quoteName(relation) })

/**
 * Notes what would keep a new view from being filled. The statement comes before the filling, because a failure undoes the
 * new view. Execute it as the role that fills the view.
 */
const noteObstacles = (view: QualifiedName): Statement => ({
  phase: 'building',
  sql: '',
  kind: 'notes',
  obstacles: hintsOn(view, 'fill'),
  hidden: true,
})

/** What every plan of a refresh goes by. */
export interface RunOptions {
  rowCountStrategy: RowCountStrategy
  /** The run's whole time, waiting for locks included. */
  timeoutSeconds: number
  ifRunning: Plan['ifRunning']
  /** Session settings for this run only. */
  settings: Record<string, string>
  /** Refuses the refresh if the view was given away: the session has executed code of the owner, and of nobody else. */
  insistsOnOwner?: boolean
  /** The checks of the new data; null: none. */
  checking?: Checking | null | undefined
  /** What comes before and after a statement that computes all rows of a view that has a log of changes. */
  log?: { before: Statement[]; after: Statement[] } | undefined
  /** Whether the run goes on with another plan if a backup keeps the view from being exchanged. */
  otherwise?: boolean
}
