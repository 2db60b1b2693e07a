import { inPlaceOf } from '../acting.ts'
import { displayName, quoteIdentifier, quoteName, type ViewName } from '../names.ts'
import type { Plan, Statement } from '../plan.ts'
import { asideNames } from '../runs/aside-names.ts'
import { buildRules, buildTriggers, dropRules } from '../runs/attached.ts'
import { exclusivelyTogether, lockIndex, touchColumns, touchStatistics } from '../runs/locks.ts'
import { withOptions } from '../runs/rebuild.ts'
import { tablesOf, touchFunctions, writeObjectsAgain, writtenAgain } from '../runs/written-again.ts'
import type { LiveView } from '../views/live-view.ts'
import { parentsFirst, type Reader } from '../views/readers.ts'
import {
  everything,
  type Group,
  groupHash,
  groupNames,
  type Member,
  materialized,
  type Places,
  wantedOf,
} from './group.ts'
import { groupHashQuery } from './proof.ts'
import { about, dropPlaces } from './twins.ts'

/**
 * The exchange of all twins of a group at one moment. All locks come first; then the old views leave, the twins take their
 * places, and what stays in place but reads a member is written again: plain views outside, functions, policies. The old
 * views are dropped without `cascade`, which proves that nothing depends on them any more. The catalog is compared with the
 * facts once nobody can change it any more.
 */
export function exchange(group: Group, places: Places, timeoutSeconds: number): Plan['cutOver'] {
  const { members, outside } = group
  // Members that are to change may read others afterwards.
  const childrenFirst = parentsFirst(members).toReversed()
  const again = writtenAgain(members.map(({ live }) => live))
  // Readers lock a plain view before what the view reads, and a table before what its policies read.
  const locked = [
    ...outside.toReversed().map(({ live: { view } }) => view),
    ...tablesOf(again),
    ...childrenFirst.map(({ live: { view } }) => view),
  ]
  return exclusivelyTogether(
    locked,
    [
      ...members.flatMap(({ live }) => inPlaceOf(live.view.owner, dropRules(live))),
      ...childrenFirst.flatMap(({ live: { view } }) => move(view, view, places.old(view.schema))),
      ...members.flatMap((member) => {
        const { view } = wantedOf(member)
        return move(view, groupNames(member.oid, wantedOf(member), places).view, view.schema)
      }),
      ...outside.flatMap(writeAgain),
      ...members.flatMap(attach),
      ...writeObjectsAgain(again),
      ...childrenFirst.flatMap(({ oid, live }) =>
        inPlaceOf(live.view.owner, [
          cutOver(`drop ${live.view.kind} ${quoteName(groupNames(oid, live, places).old)}`),
        ]),
      ),
      ...members.flatMap((member) => nameStatistics(member, places)),
      ...dropPlaces(places),
    ],
    {
      timeoutSeconds,
      guard: [...materialized(group).flatMap(holdStill), ...touchFunctions(again), nothingHasChanged(group)],
    },
  )
}

/** A statement that compares the catalog with the facts on which the twins were planned. */
export const nothingHasChanged = (group: Group): Statement => ({
  phase: 'locking',
  sql: groupHashQuery(everything(group).map(({ oid }) => oid)),
  check: {
    is: groupHash(group),
    else: 'CatalogChanged',
    message:
      `One of the views ${namesOf(group)}, or something that hangs on them, was altered during the rebuild. ` +
      'Nothing was exchanged: refresh again.',
  },
  hidden: true,
})

const namesOf = ({ members }: Group): string => members.map(({ live }) => displayName(live.view)).join(', ')

/** Locks what can change without a lock on the view. */
const holdStill = ({ oid, live: { view, columns, indexes, statistics } }: Reader): Statement[] => [
  ...inPlaceOf(view.owner, [
    ...touchColumns(
      view,
      columns.map(({ name }) => name),
    ),
    ...indexes.map(({ name }) => lockIndex({ schema: view.schema, name })),
  ]),
  ...statistics.flatMap((each, at) =>
    inPlaceOf(each.owner, touchStatistics(each, asideNames(oid, view.schema).oldStatistics(at))),
  ),
]

const move = ({ kind, owner }: LiveView['view'], from: ViewName, to: string): Statement[] =>
  inPlaceOf(owner, [cutOver(`alter ${kind} ${quoteName(from)} set schema ${quoteIdentifier(to)}`)])

/** Points a plain view outside the group to the new views: it finds them by their names. */
const writeAgain = ({ live }: Reader): Statement[] => {
  const { view } = live
  return about(live, [
    {
      ...cutOver(
        `create or replace view ${quoteName(view)}${withOptions(view.options)} as ${view.definition.trim()}`,
      ),
      sealed: { role: view.owner, schema: quoteIdentifier(view.schema) },
      carries: `view ${displayName(view)}`,
    },
  ])
}

/** Triggers and rules are made when all names are final, because their SQL may name any member. */
const attach = ({ live }: Reader): Statement[] =>
  about(
    live,
    inPlaceOf(
      live.view.owner,
      [...buildTriggers(live), ...buildRules(live)].map((statement) => ({ ...statement, phase: 'cut-over' })),
    ),
  )

const nameStatistics = (member: Member, places: Places): Statement[] =>
  wantedOf(member).statistics.flatMap((each, at) =>
    inPlaceOf(each.owner, [
      cutOver(
        `alter statistics ${quoteName({ schema: each.schema, name: groupNames(member.oid, member.live, places).statistics(at) })} rename to ${quoteIdentifier(each.name)}`,
      ),
    ]),
  )

const cutOver = (sql: string): Statement => ({ phase: 'cut-over', sql })
