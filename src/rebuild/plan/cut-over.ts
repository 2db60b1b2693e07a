import { inPlaceOf } from '../../catalog/plan/acting.ts'
import { copyGrants, grantsAreTheSame, type Pair } from '../../catalog/plan/grants.ts'
import type { LiveView } from '../../catalog/plan/live-view.ts'
import { parentsFirst } from '../../catalog/plan/readers.ts'
import { type QualifiedName, quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { Plan, Statement } from '../../sql/plan.ts'
import { buildTriggers } from './attached.ts'
import { holdRow, holdStill } from './hold-still.ts'
import { exclusively, type Locked } from './locks.ts'
import { about, closePlace, dropPlace, openPlace } from './make.ts'
import { basisOfShadows, someOf } from './prove.ts'
import type { RunOptions } from './run-options.ts'
import { type Member, materialized, outsideOf, retyped, type Scope, wantedOf } from './scope.ts'
import { nameParts } from './shadow.ts'
import { isApart, type Rebuild, shadowName, shadowNames } from './shadow-place.ts'
import { noteMeaning, writeViewsAgain } from './written-again.ts'

/**
 * Exchanges all shadows with their views at one moment. All locks come first; then the old views leave, the shadows take their
 * places, and plain views outside that read a member are written again. The old views are dropped without `cascade`, which proves that nothing depends on them any more. The catalog is compared with the
 * facts once nobody can change it any more.
 */
export function cutOver(
  rebuild: Rebuild,
  { timeoutSeconds, otherwise }: Pick<RunOptions, 'timeoutSeconds' | 'otherwise'>,
): Plan['cutOver'] {
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
        return isUnread ? drop(view, view) : move(view, view, oldName(rebuild, member))
      }),
      ...members.flatMap((member) => {
        const { view } = wantedOf(member)
        return move(view, shadowName(rebuild, member), view)
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

/** Newer data stay: compares when each view was filled, by whomever, with what it was when its shadow began to be filled. */
const nothingIsNewer: Statement = {
  kind: 'newer',
  phase: 'locking',
  sql: 'select viewkeeper.newer($1, $2)',
  hidden: true,
}

const move = ({ kind, owner }: LiveView['view'], from: QualifiedName, to: QualifiedName): Statement[] => {
  const how =
    from.schema === to.schema
      ? `rename to ${quoteIdentifier(to.name)}`
      : `set schema ${quoteIdentifier(to.schema)}`
  return inPlaceOf(owner, [step(`alter ${kind} ${quoteName(from)} ${how}`)])
}

const drop = ({ kind, owner }: LiveView['view'], name: QualifiedName): Statement[] =>
  inPlaceOf(owner, [step(`drop ${kind} ${quoteName(name)}`)])

/** Triggers are made when all names are final, because their SQL may name any member. */
const attach = (live: LiveView): Statement[] =>
  inPlaceOf(
    live.view.owner,
    buildTriggers(live).map((statement) => ({ ...statement, phase: 'cut-over' })),
  )

const step = (sql: string): Statement => ({ kind: 'command', phase: 'cut-over', sql })

const oldName = (rebuild: Rebuild, member: Member): QualifiedName =>
  shadowNames(rebuild, member, member.live).old

/** Gives the shadows of members that do not change the privileges that their views have by now. */
export const carry = (rebuild: Rebuild): Statement[] =>
  unchanging(rebuild).flatMap((member) =>
    about(rebuild.scope, member.live.view, [copyGrants(pairOf(rebuild, member), isApart(rebuild))]),
  )

/** Checks that this has given all of them. */
function hasCarried(rebuild: Rebuild): Statement[] {
  const pairs = unchanging(rebuild).map((member) => pairOf(rebuild, member))
  return pairs.length === 0 ? [] : [grantsAreTheSame(pairs)]
}

const unchanging = ({ scope }: Rebuild): Member[] =>
  scope.members.filter(({ wanted }) => wanted === undefined)

const pairOf = (rebuild: Rebuild, member: Member): Pair => ({
  oid: member.oid,
  shadow: shadowName(rebuild, member),
})
