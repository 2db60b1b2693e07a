import type { ViewDefinition } from '../../catalog/plan/definition.ts'
import { replayGrants } from '../../catalog/plan/grants.ts'
import type { LiveView } from '../../catalog/plan/live-view.ts'
import { inPlaceOf, type Obstacle, obstacle, type Requirement } from '../../catalog/plan/rights.ts'
import { isUnreadable, unreadableClause } from '../../catalog/plan/server-sql.ts'
import { createStatements, queryOf, sealAll } from '../../rebuild/plan/create.ts'
import { exclusiveLock } from '../../rebuild/plan/locks.ts'
import { viewsNamedIn } from '../../rebuild/plan/requalify.ts'
import { memberOf, parsedOf } from '../../rebuild/plan/requirements.ts'
import {
  buildIndexes,
  buildShadow,
  buildStatistics,
  buildTriggers,
  giveStatistics,
  sealedAsOwner,
  withOptions,
} from '../../rebuild/plan/shadow.ts'
import { keptMark, literal, quoteIdentifier, quoteName, type ShadowNames } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import { parentsFirst, reached } from '../../sql/walks.ts'
import { describeItem, type ViewCopy } from '../../trial/plan/copy.ts'
import { displayName, displayPart, type QualifiedName, type ViewName } from '../../words/names.ts'

/** A view that is taken away and made again, with all that the catalog says about it. */
export interface AsideView extends ViewCopy {
  populated: boolean
  /** The size on disk with indexes and TOAST, as the server last knew it. */
  sizeBytes: number
  /** The relations and functions that stand below the view, as people write them. */
  reads: string[]
  below?: Below[]
  /** The query as it is frozen, if the view has that query. */
  frozen?: string
}

/**
 * A relation that an item reads, by its OID, and the names by which the item's text calls it and the columns that the item
 * reads, by their numbers. What an older version has set aside lacks this.
 */
export interface Below extends QualifiedName {
  oid: number
  columns: { number: number; name: string }[]
}

/** What stands in the way: parents before children. */
export interface InTheWay {
  items: AsideView[]
  /** What cannot be taken away and made again, and why. */
  obstacles: Obstacle[]
  /** As long as it is the same, so is what the items mean. */
  version: string
}

/** The incremental table whose query a plain view has, by that comment; undefined: it is another view. */
export const tableOfQuery = (view: QualifiedName & { comment: string | null }): QualifiedName | undefined =>
  view.comment === keptMark && view.name.endsWith('_query')
    ? { schema: view.schema, name: view.name.slice(0, -'_query'.length) }
    : undefined

/** The name, as people write it; each item has another one. The query of an incremental table has the table's, which is no item. */
export const nameOf = ({ live }: AsideView): string => displayName(tableOfQuery(live.view) ?? live.view)

/** Sorts items: what reads an incremental table comes after the table's query, with which the table may get other types. */
export const afterTables = (items: AsideView[]): AsideView[] =>
  parentsFirst(items, nameOf, ({ reads, below = [] }) => [...reads, ...below.map(displayName)])

/** The names of all items. */
export const viewsOf = (items: AsideView[]): string[] => items.map(nameOf)

/** A part of the catalog that a statement changes, so that what reads it stands in the way. */
export interface Touched {
  relation: ViewName
  /** Only readers of these columns stand in the way; null: all readers do. */
  columns: string[] | null
  /** Whether what needs a constraint of the table, such as a query grouped by its primary key, stands in the way, too. */
  constraints: boolean
  /** Whether the statement drops the relation: if it is a view, it is not made again. */
  dropped: boolean
  /** Whether the relation is locked exclusively before its readers are taken away. */
  locked: boolean
}

/** All readers of a relation. */
export const readersOf = (relation: ViewName): Touched => ({
  relation,
  columns: null,
  constraints: false,
  dropped: false,
  locked: false,
})

/**
 * An item and all items that read it, directly or through each other, in the order of `items`. What a view reads that gets
 * a new definition is known only by the names in the definition.
 */
export function withReaders(item: AsideView, items: AsideView[], given: ViewDefinition[]): AsideView[] {
  const views = items.map(({ live: { view } }) => view)
  const reads = new Map(
    items.map((each) => {
      const definition = given.find((one) => quoteName(one) === quoteName(each.live.view))
      return [
        each,
        definition === undefined
          ? [...each.reads, ...(each.below ?? []).map(displayName)]
          : viewsNamedIn(definition.sql, views).map(displayName),
      ]
    }),
  )
  const found = reached([item], (read) =>
    items.filter((each) =>
      [nameOf(read), displayName(read.live.view)].some((name) => reads.get(each)?.includes(name)),
    ),
  )
  return items.filter((each) => found.has(each))
}

/** A relation below an item, as it is called now. */
export interface CalledNow extends QualifiedName {
  columns: { number: number; name: string }[]
}

/**
 * What was renamed since the names `below` were read, in words. A column is the same one under any name. So is a relation,
 * unless another relation has its former name: then that one has taken its place. `isTaken` says so. Pure.
 */
export const renamedSince = (
  below: Below[],
  now: Map<number, CalledNow>,
  isTaken: (name: QualifiedName) => boolean,
): string[] =>
  below.flatMap((was) => {
    const is = now.get(was.oid)
    if (is === undefined) return []
    const isRenamed = displayName(is) !== displayName(was)
    if (isRenamed && isTaken(was)) return []
    const columns = new Map(is.columns.map(({ number, name }) => [number, name]))
    return [
      ...(isRenamed ? [`${displayName(was)}, which is called ${displayName(is)} now`] : []),
      ...was.columns.flatMap(({ number, name }) => {
        const called = columns.get(number) ?? name
        return called === name
          ? []
          : [`column ${displayPart(name)} of ${displayName(was)}, which is called ${displayPart(called)} now`]
      }),
    ]
  })

/**
 * Drops what stands in the way, children first. Nothing is dropped with `cascade`, so the drops prove that nothing else
 * depends on it.
 */
export const dropStatements = (items: AsideView[]): Statement[] =>
  items
    .toReversed()
    .flatMap(({ live: { view } }) =>
      inPlaceOf(view.owner, [
        { kind: 'command', phase: 'exchange', sql: `drop ${view.kind} ${quoteName(view)}` },
      ]),
    )

/** Locks all views exclusively, children first: readers lock them in this order, too. */
export const lockStatements = (items: AsideView[]): Statement[] =>
  items.toReversed().flatMap(({ live: { view } }) => inPlaceOf(view.owner, [exclusiveLock(view.kind, view)]))

/** Locks a table exclusively. The name is written as in SQL. */
export const lockTable = (table: string): Statement => ({
  kind: 'command',
  phase: 'locking',
  sql: `lock table ${table} in access exclusive mode`,
})

/** The statements of a view that is made again in two parts, because the second may depend on the columns of the first. */
export interface Making {
  create: Statement[]
  /** With the columns that the view has after the first part. */
  rest(columns: string[]): Statement[]
}

/**
 * Makes a view again as it was, without its rows and triggers. The query is the server's text, or `frozen`: what the
 * server adds to its text, such as a cast, may be of another time.
 */
export function makeView({ live }: AsideView, frozen?: string): Making {
  // The query may end with a `--` comment; the line break ends the comment.
  const definition = frozen === undefined ? live.view.definition : `(${queryOf(frozen)}\n)`
  const [create, ...attributes] = buildShadow({ ...live, view: { ...live.view, definition } }, live)
  return {
    create: inPlaceOf(live.view.owner, [
      frozen === undefined
        ? (create as Statement)
        : ({ ...create, ...sealedAsOwner(live), rolePath: true } as Statement),
    ]),
    rest: () => [
      ...inPlaceOf(live.view.owner, [
        ...attributes,
        ...buildIndexes(live, ownNames(live)),
        ...buildStatistics(live, ownNames(live)),
      ]),
      ...giveStatistics(live, ownNames(live)),
      ...replayGrants(live, live.view),
    ],
  }
}

/**
 * Makes a materialized view from another definition. The query, the indexes and the comment are those of the definition.
 * All else is carried over, as far as the view still has the column.
 */
export const makeFrom = ({ live }: AsideView, definition: ViewDefinition): Making => ({
  create: inPlaceOf(live.view.owner, sealAll(live.view.owner, definition, createStatements(definition))),
  rest: (columns) => {
    const { view } = live
    const kept = withColumns({ ...live, view: { ...view, comment: null } }, columns)
    const alter = `alter materialized view ${quoteName(view)}`
    return [
      ...inPlaceOf(view.owner, [
        ...[
          view.options.length > 0 && `${alter} set ${withOptions(view.options).replace(' with ', '')}`,
          view.tablespace !== null && `${alter} set tablespace ${quoteIdentifier(view.tablespace)}`,
          view.accessMethod !== null && `${alter} set access method ${quoteIdentifier(view.accessMethod)}`,
        ]
          .filter((sql) => sql !== false)
          .map((sql): Statement => ({ kind: 'command', phase: 'building', sql })),
        ...buildShadow(kept, ownNames(live)).slice(1),
        ...buildStatistics(kept, ownNames(live)),
      ]),
      ...giveStatistics(kept, ownNames(live)),
      ...replayGrants(kept, view),
    ]
  },
})

/** Gives a plain view that somebody else has made meanwhile its owner and all that hung on it. */
export const adorn = ({ live }: AsideView): Making => ({
  create: [
    {
      kind: 'command',
      phase: 'building',
      sql: `alter ${live.view.kind} ${quoteName(live.view)} owner to ${live.view.owner}`,
    },
  ],
  rest: (columns) => {
    const kept = withColumns(live, columns)
    return [
      ...inPlaceOf(live.view.owner, buildShadow(kept, ownNames(live)).slice(1)),
      ...replayGrants(kept, live.view),
    ]
  },
})

/** The triggers of a view. They come after all views, because they may name any of them. */
export const makeAttached = ({ live }: AsideView): Statement[] =>
  inPlaceOf(live.view.owner, buildTriggers(live))

/** The names that a view and its parts have already. */
const ownNames = ({ view, indexes, statistics }: LiveView): ShadowNames => ({
  view,
  old: view,
  index: (at) => indexes[at]?.name as string,
  statistics: (at) => statistics[at]?.name as string,
  oldStatistics: (at) => statistics[at]?.name as string,
})

/** Leaves out what hangs on columns that are gone. */
const withColumns = (live: LiveView, columns: string[]): LiveView => ({
  ...live,
  columns: live.columns.filter(({ name }) => columns.includes(name)),
  grants: live.grants.filter(({ column }) => column === null || columns.includes(column)),
})

/** To act as every role of the items: each role with one object, which is quick to look at, or with every object. Pure. */
export function actingRequirements(items: AsideView[], by: 'role' | 'object'): Requirement[] {
  const roles = items.flatMap(rolesOf)
  const some = by === 'object' ? roles : new Map(roles.map((each) => [each.role, each])).values()
  return [...some].map(({ role, why, owned }) =>
    memberOf(role, owned, [`${why} ${role}, and `, `may not act as ${role}`]),
  )
}

/** What no SQL can make again. Pure. */
export function cannotCarry(item: AsideView): Obstacle[] {
  const { view } = item.live
  const reasons = [
    view.memberOf === null ? [] : `belongs to extension ${view.memberOf}`,
    view.hasSecurityLabel ? "has a security label, which only the label's provider can give" : [],
    view.replicaIdentity === 'index' ? 'has an index as its replica identity' : [],
    isUnreadable(view.definition) ? `has ${unreadableClause}` : [],
  ].flat()
  return [
    ...reasons.map((reason) => obstacle(`${describeItem(item)} ${reason}`)),
    ...parsedOf(item.live).map((part) =>
      obstacle(`${part} is never written again: drop it before, and make it again after`),
    ),
  ]
}

/** A role as which an item is made again, and why. */
interface ActingRole {
  role: string
  why: string
  /** An expression of SQL: what could be given to another owner instead. */
  owned: string | null
}

function rolesOf(item: AsideView): ActingRole[] {
  const named = describeItem(item)
  const { view, statistics, grants } = item.live
  return [
    ...grants.map(({ grantor }) => ({ role: grantor, why: `grants on ${named} are by`, owned: null })),
    ...statistics.map((each) => ({
      role: each.owner,
      why: `statistics ${displayPart(each.name)} of ${named} belong to`,
      owned: literal(`statistics ${quoteName(each)}`),
    })),
    { role: view.owner, why: `${named} belongs to`, owned: literal(`${view.kind} ${quoteName(view)}`) },
  ]
}
