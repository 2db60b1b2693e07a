import { copyGrants, grantsAreTheSame, type Pair } from '../../catalog/plan/grants.ts'
import { type LiveView, type PlainReader, parentsFirst } from '../../catalog/plan/live-view.ts'
import { inPlaceOf } from '../../catalog/plan/rights.ts'
import { treesHash } from '../../catalog/plan/tree/differences.ts'
import { nothingIsNewer } from '../../record/plan/work.ts'
import { queryViewOf, quoteIdentifier, quoteName, type ShadowNames } from '../../sql/names.ts'
import type { RunPlan, Statement } from '../../sql/run-plan.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import type { RunOptions } from './fill.ts'
import { alter, exclusively, holdRow, type Locked, setting } from './locks.ts'
import { about, closePlace, dropPlace, openPlace } from './make.ts'
import { basisOfShadows, someOf } from './prove.ts'
import {
  isApart,
  type Member,
  materialized,
  outsideOf,
  type Rebuild,
  retyped,
  type Scope,
  shadowName,
  shadowNames,
  shadowQuery,
  wantedOf,
} from './scope.ts'
import { buildTriggers, nameParts, sealedAsOwner, withOptions } from './shadow.ts'

// Only an exchange needs these locks, and only a swap loads them.

/**
 * Locks what can change without the view's lock. We wait for changes that others have begun, so the
 * comparison sees them; changes that others begin later wait for the exchange.
 */
const holdStill = (
  { view, indexes, statistics }: LiveView,
  names: Pick<ShadowNames, 'oldStatistics'>,
): Statement[] => [
  ...inPlaceOf(
    view.owner,
    indexes.map(({ name }) => lockIndex({ schema: view.schema, name })),
  ),
  ...statistics.flatMap((each, at) => inPlaceOf(each.owner, touchStatistics(each, names.oldStatistics(at)))),
]

/** Locks an index. Its comment, name and options change under its own lock, not the view's. */
const lockIndex = (index: QualifiedName): Statement => alter('index', index, 'reset (viewkeeper)')

/**
 * Locks a statistics object, by rewriting its catalog row: the object gets another name, then its own again.
 */
const touchStatistics = (statistics: QualifiedName, anotherName: string): Statement[] => [
  alter('statistics', statistics, `rename to ${quoteIdentifier(anotherName)}`),
  alter('statistics', { ...statistics, name: anotherName }, `rename to ${quoteIdentifier(statistics.name)}`),
]

/** Notes what the plain views above mean, for `writeViewsAgain`. */
const noteMeaning = (views: PlainReader[]): Statement[] =>
  views.length === 0
    ? []
    : [{ ...setting(noted, ''), sql: `select set_config('${noted}', (${hashOf(views)}), true)` }]

/** Points plain views to the new views, which they find by their names, and checks that those of `proved` mean what they have meant. */
const writeViewsAgain = (views: PlainReader[], proved: PlainReader[]): Statement[] => [
  ...views.map((view) => ({
    ...parsed(
      view,
      `create or replace view ${quoteName(view)}${withOptions(view.options)} as ${view.definition.trim()}`,
    ),
    view: displayName(view),
  })),
  ...(proved.length === 0 ? [] : [meansTheSame(proved)]),
]

const meansTheSame = (views: PlainReader[]): Statement => ({
  phase: 'exchange',
  kind: 'check',
  sql: `select ((${hashOf(views)}) = current_setting('${noted}'))::text`,
  check: {
    is: 'true',
    else: 'SwapImpossible',
    message: `A swap would change ${views.map((view) => `view ${displayName(view)}`).join(' or ')}. Use strategy "concurrent" or "regular".`,
  },
  hidden: true,
})

const noted = 'viewkeeper.meaning'

const hashOf = (views: PlainReader[]): string => treesHash(views.map(({ oid }) => oid))

const parsed = (view: PlainReader, sql: string): Statement => ({
  phase: 'exchange',
  sql,
  ...sealedAsOwner({ view }),
  carries: `view ${displayName(view)}`,
})

/**
 * Exchanges all shadows with their views at one moment. All locks come first; then the old views leave, the shadows take their
 * places, and plain views outside that read a member are written again. The old views are dropped without `cascade`, which proves that nothing depends on them any more. The catalog is compared with the
 * facts once nobody can change it any more.
 */
export function exchange(
  rebuild: Rebuild,
  { timeoutSeconds, otherwise }: Pick<RunOptions, 'timeoutSeconds' | 'otherwise'>,
): RunPlan['locked'] {
  const { scope, place } = rebuild
  const { members } = scope
  const outside = outsideOf(scope)
  const proved = retyped(scope).size === 0 ? outside : []
  // Members that are to change may read others afterwards.
  const childrenFirst = parentsFirst(members).toReversed()
  // A view that nothing reads leaves for good at once: one statement less under the lock.
  const isUnread = members.every(({ live }) => live.dependents.length === 0)
  // Readers lock a plain view before what the view reads.
  const locked = [
    ...members.flatMap(({ live }) => keptQuery(live)),
    ...outside.toReversed().map((view): Locked => ({ ...view, kind: 'view' })),
    ...childrenFirst.map(({ live: { view, columns } }) =>
      view.kind === 'view' ? view : { ...view, columns: columns.map(({ name }) => name) },
    ),
  ]
  return exclusively(
    locked,
    [
      ...openPlace(rebuild),
      ...childrenFirst.flatMap((member) => {
        const { view } = member.live
        return [
          ...keptQuery(member.live).flatMap((query) => drop(query, query)),
          ...(isUnread ? drop(view, view) : move(view, view, oldName(rebuild, member))),
        ]
      }),
      ...members.flatMap((member) => {
        const { view } = wantedOf(member)
        const queries = keptQuery(wantedOf(member))
        return [
          ...move(view, shadowName(rebuild, member), view),
          ...queries.flatMap((query) => move(query, shadowQuery(rebuild, member), query)),
        ]
      }),
      ...closePlace(rebuild),
      ...writeViewsAgain(outside, proved),
      ...members.flatMap(({ live }) => about(scope, live.view, attach(live))),
      ...childrenFirst.flatMap((member) =>
        isUnread ? [] : drop(member.live.view, oldName(rebuild, member)),
      ),
      ...members.flatMap((member) =>
        nameParts(wantedOf(member), shadowNames(rebuild, member, wantedOf(member))),
      ),
      ...dropPlace(place),
    ],
    {
      timeoutSeconds,
      otherwise,
      guard: [
        nothingIsNewer,
        ...locked.flatMap(holdRow),
        ...materialized(scope).flatMap((member) =>
          holdStill(member.live, shadowNames(rebuild, member, member.live)),
        ),
        ...carry(rebuild),
        ...hasCarried(rebuild),
        nothingHasChanged(scope),
        ...noteMeaning(proved),
      ],
    },
  )
}

/** The plain view of the query of an incremental table; none of another view. */
const keptQuery = ({ view: { kind, owner, ...view } }: LiveView): (Locked & Owned)[] =>
  kind === 'table' ? [{ ...queryViewOf(view), kind: 'view', owner }] : []

/** A statement that compares the catalog with the facts on which the shadows were planned. */
const nothingHasChanged = (scope: Scope): Statement => {
  const { sql, is } = basisOfShadows(scope)
  return {
    phase: 'locking',
    sql,
    kind: 'check',
    check: {
      is,
      else: 'CatalogChanged',
      message: `Nothing was exchanged: ${someOf(scope)}, or something that hangs on it, was altered during the rebuild. Refresh again.`,
    },
    hidden: true,
  }
}

const move = ({ kind, owner }: Owned, from: QualifiedName, to: QualifiedName): Statement[] => {
  const how =
    from.schema === to.schema
      ? `rename to ${quoteIdentifier(to.name)}`
      : `set schema ${quoteIdentifier(to.schema)}`
  return inPlaceOf(owner, [step(`alter ${kind} ${quoteName(from)} ${how}`)])
}

type Owned = Pick<LiveView['view'], 'kind' | 'owner'>

const drop = ({ kind, owner }: Owned, name: QualifiedName): Statement[] =>
  inPlaceOf(owner, [step(`drop ${kind} ${quoteName(name)}`)])

/** Triggers are made when all names are final, because their SQL may name any member. */
const attach = (live: LiveView): Statement[] =>
  inPlaceOf(
    live.view.owner,
    buildTriggers(live).map((statement) => ({ ...statement, phase: 'exchange' })),
  )

const step = (sql: string): Statement => ({ kind: 'command', phase: 'exchange', sql })

const oldName = (rebuild: Rebuild, member: Member): QualifiedName =>
  shadowNames(rebuild, member, member.live).old

/** Gives the shadows of members that do not change the privileges that their views have by now. */
export function carry(rebuild: Rebuild): Statement[] {
  const members = unchanging(rebuild)
  const views =
    members.length === 1 ? undefined : members.map(({ live }) => displayName(live.view)).join(', ')
  return members.length === 0 ? [] : [copyGrants(pairsOf(rebuild, members), isApart(rebuild), views)]
}

/** Checks that this has given all of them. */
function hasCarried(rebuild: Rebuild): Statement[] {
  const members = unchanging(rebuild)
  return members.length === 0 ? [] : [grantsAreTheSame(pairsOf(rebuild, members))]
}

const unchanging = ({ scope }: Rebuild): Member[] =>
  scope.members.filter(({ wanted }) => wanted === undefined)

const pairsOf = (rebuild: Rebuild, members: Member[]): Pair[] =>
  members.map((member) => ({ oid: member.oid, shadow: shadowName(rebuild, member) }))
