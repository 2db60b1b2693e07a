import type { Checking } from '../../catalog/plan/checks.ts'
import { replayGrants } from '../../catalog/plan/grants.ts'
import type { LiveView } from '../../catalog/plan/live-view.ts'
import { inPlaceOf } from '../../catalog/plan/rights.ts'
import { lockWhatIsRead } from '../../record/plan/work.ts'
import { quoteIdentifier, quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/run-plan.ts'
import { displayName, type QualifiedName } from '../../words/names.ts'
import { checkData } from './check-data.ts'
import { comparison, keyOf } from './compare.ts'
import { analyze, fill as refresh, uniqueIndexes } from './fill.ts'
import { setting } from './locks.ts'
import {
  isApart,
  type Member,
  onShadows,
  type Place,
  type Rebuild,
  type Scope,
  shadowName,
  shadowNames,
  shadowQuery,
  viewOnShadows,
  wantedOf,
} from './scope.ts'
import {
  buildIndexes,
  buildShadow,
  buildStatistics,
  fillTable,
  giveStatistics,
  ownersSeal,
} from './shadow.ts'

/**
 * Makes the place and the shadows of all members, with no data but with everything that hangs on the views. Then nobody may make
 * anything there any more: an owner, or the code of one, could leave something, and the schemas could not be dropped.
 */
export const make = (rebuild: Rebuild): Statement[] => [
  ...makePlace(rebuild),
  setting('default_tablespace', ''),
  ...rebuild.scope.members.flatMap((member) => makeShadow(rebuild, member)),
  ...closePlace(rebuild),
]

/** The schemas, which the owners of members and `heirs` may use, and those who have granted privileges on members. */
export function makePlace({ scope, place }: Rebuild, heirs: string[] = []): Statement[] {
  const wanted = scope.members.flatMap((member) => [member.live, wantedOf(member)])
  const owners = unique([...wanted.map(({ view }) => view.owner), ...heirs])
  const grantors = unique(wanted.flatMap(({ grants }) => grants.map(({ grantor }) => grantor)))
  return place.schemas.flatMap((schema): Statement[] =>
    [
      `create schema ${quoteIdentifier(schema)}`,
      `grant create on schema ${quoteIdentifier(schema)} to ${owners.join(', ')}`,
      `grant usage on schema ${quoteIdentifier(schema)} to ${unique([...owners, ...grantors]).join(', ')}`,
    ].map((sql) => ({ kind: 'command', phase: 'building', sql, hidden: true })),
  )
}

/** Takes from the owners of members what they needed to make and to move shadows. */
export const closePlace = (rebuild: Rebuild): Statement[] => mayCreate('revoke', 'from', rebuild)

/** Lets the owners move the old views away. Until the commit, nobody else sees this. */
export const openPlace = (rebuild: Rebuild): Statement[] => mayCreate('grant', 'to', rebuild)

const mayCreate = (verb: string, to: string, { scope, place }: Rebuild): Statement[] => {
  const owners = unique(
    scope.members.flatMap((member) => [member.live.view.owner, wantedOf(member).view.owner]),
  )
  return place.schemas.map((schema) => ({
    kind: 'command',
    phase: 'building',
    sql: `${verb} create on schema ${quoteIdentifier(schema)} ${to} ${owners.join(', ')}`,
    hidden: true,
  }))
}

/** Drops the schemas, which proves that they are empty. */
export const dropPlace = ({ schemas }: Place): Statement[] =>
  schemas.map((schema) => ({
    kind: 'command',
    phase: 'exchange',
    sql: `drop schema ${quoteIdentifier(schema)}`,
    hidden: true,
  }))

/** Makes the empty shadow of one member, after its parents. Privileges come at once: the owner of a child fills it from its parents' shadows. */
export function makeShadow(rebuild: Rebuild, member: Member): Statement[] {
  const live = wantedOf(member)
  const names = shadowNames(rebuild, member, live)
  // A view alone reads no member.
  const wanted = isApart(rebuild) ? viewOnShadows(rebuild, live) : live
  return about(rebuild.scope, live.view, [
    ...inPlaceOf(live.view.owner, [
      ...buildShadow(wanted, names),
      ...buildIndexes(wanted, names),
      ...buildStatistics(wanted, names),
    ]),
    ...giveStatistics(wanted, names),
    ...givePrivileges(rebuild, member, live),
  ])
}

/** Gives the shadow the privileges that the view is to have. Default privileges of a schema hold there only. */
const givePrivileges = (rebuild: Rebuild, member: Member, live: LiveView): Statement[] => {
  const defaultGrants = live.defaultGrants.filter(({ everywhere }) => everywhere || !isApart(rebuild))
  return replayGrants({ ...live, defaultGrants }, shadowName(rebuild, member))
}

/** Says in each error which of several members the statement is about, unless it says more. */
export const about = ({ members }: Scope, view: QualifiedName, statements: Statement[]): Statement[] =>
  members.length === 1 ? statements : statements.map((each) => ({ view: displayName(view), ...each }))

const unique = (roles: string[]): string[] => [...new Set(roles)]

/**
 * Fills the shadow of a materialized view, analyzes and checks it, as its owner, who may have revoked from itself
 * what that needs. Checks read the shadows of other members, too. `isThere`: the shadow was made by an earlier transaction.
 */
export function fill(
  rebuild: Rebuild,
  member: Member,
  checking?: Checking | null,
  isThere = false,
): Statement[] {
  const live = wantedOf(member)
  const { owner } = live.view
  const seal = ownersSeal(live)
  const names = shadowNames(rebuild, member, live)
  const unique = uniqueIndexes(
    live.indexes.map((index) => ({ ...index, on: index.rest })),
    names.index,
  )
  const query = shadowQuery(rebuild, member)
  const checked = { view: live.view, relation: names.view, query, seal }
  const filled: Statement[] =
    live.view.kind === 'table'
      ? [{ ...fillTable(names.view, live.view, unique), kind: 'sealed', seal }]
      : refresh(names.view, live.view, unique, isThere ? owner : null)
  const elsewhere = isApart(rebuild) ? { onShadows: onShadows(rebuild) } : {}
  const comparing = checking?.refreshes && compared(member.live, names.view)
  const filling = [
    lockWhatIsRead(query),
    ...inPlaceOf(owner, [...filled, analyze(names.view)]),
    ...checkData({ ...checked, ...elsewhere, comparison: comparing }, checking),
  ]
  return about(
    rebuild.scope,
    live.view,
    withAllRights(live, names.view, filling, givePrivileges(rebuild, member, live)),
  )
}

/** Gives the owner of a view meanwhile what it may have revoked from itself, on `relation`; `after` takes it back. */
export const withAllRights = (
  live: LiveView,
  relation: QualifiedName,
  work: Statement[],
  after: Statement[],
): Statement[] => {
  const sql = `grant all on ${quoteName(relation)} to ${live.view.owner}`
  const giveAll: Statement = { kind: 'command', phase: 'building', sql, hidden: true }
  return ownerMay(live) ? work : [...inPlaceOf(live.view.owner, [giveAll]), ...work, ...after]
}

/** Compares the rows of a shadow with those that readers see. */
function compared(live: LiveView, shadow: QualifiedName): string {
  const [view, data] = [quoteName(live.view), quoteName(shadow)]
  const { columns } = live
  return comparison({ view, columns, data, dataColumns: columns, key: keyOf(live, columns) })
}

/** PostgreSQL 17 and later need `maintain` to fill and to analyze. */
const ownerMay = ({ view: { owner }, grants, untouchedGrants }: LiveView): boolean =>
  untouchedGrants ||
  ['SELECT', 'MAINTAIN'].every((each) =>
    grants.some(
      ({ grantee, privilege, column }) => grantee === owner && privilege === each && column === null,
    ),
  )
