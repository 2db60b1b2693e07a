import { inPlaceOf } from '../acting.ts'
import { displayName, quoteIdentifier, quoteName, type ViewName } from '../names.ts'
import type { Plan, Statement } from '../plan.ts'
import { buildRules, buildTriggers, dropRules } from '../runs/attached.ts'
import { exclusively, holdStill } from '../runs/locks.ts'
import { nameStatistics } from '../runs/rebuild.ts'
import type { RunOptions } from '../runs/refresh.ts'
import {
  tablesOf,
  touchFunctions,
  writeObjectsAgain,
  writeViewAgain,
  writtenAgain,
} from '../runs/written-again.ts'
import type { LiveView } from '../views/live-view.ts'
import { parentsFirst } from '../views/readers.ts'
import { type Group, groupNames, type Member, materialized, type Places, wantedOf } from './group.ts'
import { basisOfTwins } from './proof.ts'
import { about, closePlaces, copiedGrants, copyGrantsOf, dropPlaces, openPlaces } from './twins.ts'

/**
 * The exchange of all twins of a group at one moment. All locks come first; then the old views leave, the twins take their
 * places, and what stays in place but reads a member is written again: plain views outside, functions, policies. The old
 * views are dropped without `cascade`, which proves that nothing depends on them any more. The catalog is compared with the
 * facts once nobody can change it any more.
 */
export function exchange(
  group: Group,
  places: Places,
  { timeoutSeconds, otherwise }: Pick<RunOptions, 'timeoutSeconds' | 'otherwise'>,
): Plan['cutOver'] {
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
  return exclusively(
    locked,
    [
      ...members.flatMap(({ live }) => inPlaceOf(live.view.owner, dropRules(live))),
      ...openPlaces(group, places),
      ...childrenFirst.flatMap(({ live: { view } }) => move(view, view, places.old(view.schema))),
      ...members.flatMap((member) => {
        const { view } = wantedOf(member)
        return move(view, groupNames(member.oid, wantedOf(member), places).view, view.schema)
      }),
      ...closePlaces(group, places),
      ...outside.flatMap(({ live }) => about(live, [writeViewAgain(live.view)])),
      ...members.flatMap(attach),
      ...writeObjectsAgain(again),
      ...childrenFirst.flatMap(({ oid, live }) =>
        inPlaceOf(live.view.owner, [
          cutOver(`drop ${live.view.kind} ${quoteName(groupNames(oid, live, places).old)}`),
        ]),
      ),
      ...members.flatMap((member) =>
        nameStatistics(wantedOf(member), groupNames(member.oid, member.live, places)),
      ),
      ...dropPlaces(places),
    ],
    {
      timeoutSeconds,
      otherwise,
      guard: [
        ...materialized(group).flatMap(({ oid, live }) => holdStill(live, groupNames(oid, live, places))),
        ...copyGrantsOf(group, places),
        ...copiedGrants(group, places),
        ...touchFunctions(again),
        nothingHasChanged(group),
      ],
    },
  )
}

/** A statement that compares the catalog with the facts on which the twins were planned. */
export const nothingHasChanged = (group: Group): Statement => {
  const { sql, is } = basisOfTwins(group)
  return {
    phase: 'locking',
    sql,
    kind: 'check',
    check: {
      is,
      else: 'CatalogChanged',
      message:
        `One of the views ${namesOf(group)}, or something that hangs on them, was altered during the rebuild. ` +
        'Nothing was exchanged: refresh again.',
    },
    hidden: true,
  }
}

const namesOf = ({ members }: Group): string => members.map(({ live }) => displayName(live.view)).join(', ')

const move = ({ kind, owner }: LiveView['view'], from: ViewName, to: string): Statement[] =>
  inPlaceOf(owner, [cutOver(`alter ${kind} ${quoteName(from)} set schema ${quoteIdentifier(to)}`)])

/** Triggers and rules are made when all names are final, because their SQL may name any member. */
const attach = ({ live }: Member): Statement[] =>
  about(
    live,
    inPlaceOf(
      live.view.owner,
      [...buildTriggers(live), ...buildRules(live)].map((statement) => ({ ...statement, phase: 'cut-over' })),
    ),
  )

const cutOver = (sql: string): Statement => ({ kind: 'command', phase: 'cut-over', sql })
