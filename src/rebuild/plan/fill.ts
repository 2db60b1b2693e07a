import type { Checking } from '../../catalog/plan/checks.ts'
import type { ViewFacts } from '../../catalog/plan/live-view.ts'
import { hintsOn } from '../../catalog/plan/obstacles.ts'
import { quoteName } from '../../sql/names.ts'
import type { LaterStatement, RunPlan, Statement } from '../../sql/run-plan.ts'
import { displayName, type QualifiedName, unquoted, type ViewName } from '../../words/names.ts'
import type { Problem } from '../../words/problem.ts'

/** Brings the planner's estimate up to date. */
export const analyze = (view: QualifiedName): LaterStatement => ({
  phase: 'analyzing',
  sql: `analyze ${quoteName(view)}`,
  kind: 'userCode',
  computesRows: true,
})

interface IndexToMake {
  name: string
  unique?: boolean | undefined
  /** What follows the view's name in `create index`. */
  on: string
}

/** The unique ones among `indexes` in words, as `Statement.unique` needs them. `meanwhile` is the name that an index has. */
export const uniqueIndexes = (
  indexes: IndexToMake[],
  meanwhile: (at: number) => string,
): Record<string, string> =>
  Object.fromEntries(
    indexes.flatMap(({ name, unique, on }, at) =>
      unique ? [[meanwhile(at), `${displayName({ schema: null, name })} ${columnsOf(on)}`]] : [],
    ),
  )

/** The same of the unique indexes that a view has. */
export const uniqueOf = ({ uniqueIndexes: indexes }: ViewFacts): Statement['unique'] =>
  uniqueIndexes(
    indexes.map(({ name, columns }) => ({ name: unquoted(name), unique: true, on: `(${columns})` })),
    (at) => unquoted(indexes[at]?.name ?? ''),
  )

/** Without the access method, because only btree indexes are unique, and without the columns that no row must differ in. */
const columnsOf = (on: string): string =>
  on
    .trim()
    .replace(/^using\s+\w+\s*/i, '')
    .replace(/\s+include\s*\([^)]*\)/i, '')

/**
 * Fills `relation`, a view that was created with no data, with the data of `view`. The server then builds the existing
 * indexes, in parallel. `thereAs`: the relation is there also if the filling fails, and this role fills it; so what was in the way is asked only then.
 */
export const fill = (
  relation: QualifiedName,
  view: QualifiedName,
  unique: Statement['unique'] = {},
  thereAs: string | null = null,
): Statement[] => [
  ...(thereAs === null ? [noteObstacles(relation)] : []),
  {
    phase: 'building',
    sql: `refresh materialized view ${quoteName(relation)}`,
    kind: 'userCode',
    computesRows: true,
    fills: filling(view, relation),
    unique,
    ...(thereAs !== null && { obstacles: { ...hintsOn(relation, 'fill'), as: unquoted(thereAs) } }),
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

/** A way to refresh a view. `plan` says how, or why not, and what to type. */
export interface RefreshStrategy {
  name: string
  plan(view: ViewFacts, options: RunOptions): RunPlan | Problem
}

/** What every plan of a refresh goes by. */
export interface RunOptions {
  /** The run's whole time, waiting for locks included. */
  timeoutSeconds: number
  ifRunning: RunPlan['ifRunning']
  /** Session settings for this run only. */
  settings: Record<string, string>
  /** Refuses the refresh if the view was given away: the session has executed code of the owner, and of nobody else. */
  insistsOnOwner?: boolean
  /** The checks of the new data; null: none. */
  checking?: Checking | null | undefined
  /** Whether the run goes on with another plan if a backup keeps the view from being exchanged. */
  otherwise?: boolean
}
