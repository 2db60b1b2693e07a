import type { Definition, ViewDefinition } from '../../catalog/plan/definition.ts'
import {
  authoredGrants,
  definitionOf,
  liveDifferences,
  ownerDifferences,
  sameGrant,
  sameIndex,
} from '../../catalog/plan/differences.ts'
import { grantStatement } from '../../catalog/plan/grants.ts'
import type { Grant, LiveView, ViewFacts, ViewSnapshot } from '../../catalog/plan/live-view.ts'
import { liveViewHashQuery } from '../../catalog/plan/live-view-query.ts'
import { inPlaceOf } from '../../catalog/plan/rights.ts'
import { commentStatement, indexStatement, ownerStatement } from '../../rebuild/plan/create.ts'
import { type RunOptions, uniqueIndexes } from '../../rebuild/plan/fill.ts'
import { besideReaders, exclusively } from '../../rebuild/plan/locks.ts'
import { sealedIf } from '../../rebuild/plan/shadow.ts'
import { namesBeside, quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { RunPlan, Statement } from '../../sql/run-plan.ts'
import { unquoted } from '../../words/names.ts'
import type { Redefined } from './redefined.ts'

/** What a migration does to a view, as reports name it. */
export type Change = 'create' | 'rebuild' | 'alter' | 'drop' | 'rename'

export interface PlannedChange {
  does: Change
  plan: RunPlan
  timeoutSeconds: number
}

/** A live view that gets another definition, with its next owner. */
export interface LiveChange extends Redefined {
  view: ViewFacts
  snapshot: ViewSnapshot
}

/**
 * Plans the change of a live view to its definition in place, of which the server has made `shadow`. Pure. Indexes, grants and
 * comments that nobody authored stay. Null if there is nothing to do. A view that `needsRebuild` cannot be changed so.
 */
export function planAlteration(
  { view, snapshot: { live, hash }, before, after, given }: LiveChange,
  shadow: LiveView,
  { ifRunning, settings, timeoutSeconds }: RunOptions,
): RunPlan | null {
  const wanted = wantedView(given, { before, after, shadow })
  const { building, locked, grants } = alterations(given, wanted, view.shadowKey)
  const asOwner = (some: Statement[]) => inPlaceOf(live.view.owner, some)
  // A grant to the old or to the new owner can be made only when the view has its new owner.
  const [beside, later] = given === live ? [[...building, ...grants], []] : [building, grants]
  const exclusive = [
    ...asOwner(locked),
    ...(given === live ? [] : handOver(live, wanted)),
    ...inPlaceOf(wanted.view.owner, later),
  ]
  if (beside.length + exclusive.length === 0) return null
  return {
    ifRunning,
    basis: { sql: liveViewHashQuery(String(view.oid), undefined, view.query !== null), is: hash },
    result: 'updated',
    fills: false,
    settings,
    prepare: asOwner(beside),
    locked:
      exclusive.length === 0
        ? besideReaders(live.view, [], timeoutSeconds)
        : exclusively([live.view], exclusive, { timeoutSeconds }),
    later: [],
  }
}

/** The live view with the authored changes: parts that are no longer authored go, all others stay. */
export function wantedView(
  live: LiveView,
  { before, after, shadow }: Pick<Redefined, 'before' | 'after'> & { shadow: LiveView },
): LiveView {
  const named = (definition: ViewDefinition | null) => new Set(definition?.indexes.map(({ name }) => name))
  const [indexesBefore, indexesAfter] = [named(before), named(after)]
  const granted = authoredGrants(shadow)
  const isWithdrawn = (grant: Grant) =>
    grant.grantor === live.view.owner &&
    // The owner keeps its own rights: a grant to another role may have become one of them.
    grant.grantee !== live.view.owner &&
    wasAuthored(before, grant) &&
    !granted.some(sameGrant(grant))
  return {
    ...live,
    view: {
      ...live.view,
      kind: shadow.view.kind,
      definition: shadow.view.definition,
      path: shadow.view.path,
      ...(shadow.view.meaning !== undefined && { meaning: shadow.view.meaning }),
      // An empty comment means no comment.
      comment: after.comment || (before?.comment ? null : live.view.comment),
    },
    columns: shadow.columns.map(
      (column) =>
        live.columns.find(({ name, type }) => name === column.name && type === column.type) ?? column,
    ),
    indexes: [
      ...live.indexes.filter(({ name }) => !indexesBefore.has(name) && !indexesAfter.has(name)),
      ...shadow.indexes.map(
        (index) => live.indexes.find((each) => each.name === index.name && sameIndex(each, index)) ?? index,
      ),
    ],
    grants: [
      ...live.grants.filter((grant) => !isWithdrawn(grant)),
      ...granted
        .filter((grant) => !live.grants.some(sameGrant(grant)))
        .map((grant) => ({ ...grant, grantor: live.view.owner })),
    ],
    untouchedGrants: live.untouchedGrants && granted.every(({ column }) => column !== null),
    defaultGrants: shadow.defaultGrants,
  }
}

/**
 * Gives the view, and the statistics objects of its old owner, to its new owner. The login does this: the old owner may not
 * act as the new one.
 */
const handOver = (live: LiveView, wanted: LiveView): Statement[] => [
  ownerStatement(live.view, wanted.view.owner),
  ...live.statistics
    .filter(({ owner }) => owner === live.view.owner)
    .map(
      (each): Statement => ({
        kind: 'command',
        phase: 'exchange',
        sql: `alter statistics ${quoteName(each)} owner to ${wanted.view.owner}`,
      }),
    ),
]

const wasAuthored = (before: ViewDefinition | null, { grantee, privilege, column }: Grant): boolean =>
  before?.grants.some(
    ({ to, privileges, columns }) =>
      to === unquoted(grantee) &&
      (privileges.includes('all') || privileges.includes(privilege.toLowerCase())) &&
      (columns === undefined ? column === null : column !== null && columns.includes(column)),
  ) ?? false

/** The statements that change a view in place: those beside its readers, those under the exclusive lock, and its grants. */
function alterations(
  live: LiveView,
  wanted: LiveView,
  key: string,
): Record<'building' | 'locked' | 'grants', Statement[]> {
  const { schema } = live.view
  const target = quoteName(live.view)
  const names = namesBeside(key, schema)
  const indexName = (name: string) => quoteName({ schema, name })
  const building = (sql: string): Statement => ({ kind: 'command', phase: 'building', sql })
  const locked = (sql: string): Statement => ({ kind: 'command', phase: 'exchange', sql })
  const unchanged = new Set(live.indexes.filter((index) => wanted.indexes.includes(index)))
  const gone = live.indexes.filter((index) => !unchanged.has(index))
  const fresh = wanted.indexes.filter((index) => !unchanged.has(index))
  // One that differs in its name alone is renamed: a foreign key may depend on it.
  const renamed = new Map<string, string>()
  for (const index of fresh) {
    const old = gone.find((each) => !renamed.has(each.name) && sameIndex(each, index))
    if (old && live.indexes.every(({ name }) => name !== index.name)) renamed.set(old.name, index.name)
  }
  const dropped = gone.filter(({ name }) => !renamed.has(name))
  const made = fresh.filter(({ name }) => ![...renamed.values()].includes(name))
  const takesOver = (name: string) => dropped.some((index) => index.name === name)
  return {
    building: [
      ...[...renamed].map(([from, to]) =>
        building(`alter index ${indexName(from)} rename to ${quoteIdentifier(to)}`),
      ),
      // Only refreshes write to a view, so building an index does not disturb readers.
      ...made.map(
        ({ name, unique, rest, hasExpressions }, at): Statement => ({
          phase: 'indexes',
          sql: indexStatement({ name: takesOver(name) ? names.index(at) : name, unique, on: rest }, target),
          computesRows: true,
          unique: uniqueIndexes([{ name, unique, on: rest }], () =>
            takesOver(name) ? names.index(at) : name,
          ),
          ...sealedIf(hasExpressions, live),
        }),
      ),
      ...(live.view.comment === wanted.view.comment
        ? []
        : [building(commentStatement(wanted.view.comment, target, live.view.kind))]),
    ],
    grants: [
      ...live.grants
        .filter((grant) => !wanted.grants.some(sameGrant(grant)))
        .map((grant) => building(revokeStatement(grant, target))),
      ...wanted.grants
        .filter((grant) => !live.grants.some(sameGrant(grant)) || isRevokedToo(grant, live, wanted))
        .map((grant) => building(grantStatement(grant, target))),
    ],
    locked: [
      ...dropped.map(({ name }) => locked(`drop index ${indexName(name)}`)),
      ...made.flatMap(({ name }, at) =>
        takesOver(name)
          ? [locked(`alter index ${indexName(names.index(at))} rename to ${quoteIdentifier(name)}`)]
          : [],
      ),
    ],
  }
}

/**
 * Whether a revoke of another grant also takes this one away: a revoke on the view also revokes the role's
 * grants on columns, and every revoke takes away the grant option. Such a grant is made again.
 */
const isRevokedToo = (grant: Grant, live: LiveView, wanted: LiveView): boolean =>
  live.grants.some(
    (each) =>
      !wanted.grants.some(sameGrant(each)) &&
      each.grantee === grant.grantee &&
      each.privilege === grant.privilege &&
      (each.column === null || each.column === grant.column),
  )

const revokeStatement = ({ privilege, column, grantee }: Grant, target: string): string =>
  `revoke ${privilege.toLowerCase()}${column === null ? '' : ` (${quoteIdentifier(column)})`} on ${target} from ${grantee}`

/**
 * How a live view differs from its frozen definition, which may name an owner, in words. Indexes, grants and a comment that
 * somebody added by hand are no difference, because every migration keeps them. Pure.
 */
export function driftOf(live: LiveView, shadow: LiveView, owner: string | null): string[] {
  const named = new Set(shadow.indexes.map(({ name }) => name))
  const withAdditions: LiveView = {
    ...shadow,
    view: { ...shadow.view, comment: shadow.view.comment ?? live.view.comment },
    indexes: [...shadow.indexes, ...live.indexes.filter(({ name }) => !named.has(name))],
    grants: [...shadow.grants, ...live.grants.filter((grant) => !shadow.grants.some(sameGrant(grant)))],
  }
  return [...ownerDifferences(live, owner), ...liveDifferences(live, withAdditions)].map(
    ({ message }) => message,
  )
}

/** The definition that makes a live view again as it is now; what is no part of the view comes from `frozen`. Pure. */
export function definitionAsLive(frozen: Definition, live: LiveView): Definition {
  const { sql, indexes, comment, grants } = definitionOf(live, frozen.owner).definition
  return { ...frozen, sql, indexes, comment, grants }
}
