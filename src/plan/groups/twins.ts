import { inPlaceOf } from '../acting.ts'
import { displayName, quoteIdentifier, quoteName } from '../names.ts'
import type { Statement } from '../plan.ts'
import type { AsideNames } from '../runs/aside-names.ts'
import { type Checking, checkData } from '../runs/check-data.ts'
import { analyze } from '../runs/counting.ts'
import { fill } from '../runs/create.ts'
import { setting } from '../runs/locks.ts'
import { buildIndexes, buildStatistics, buildTwin, giveStatistics, ownersSeal } from '../runs/rebuild.ts'
import { uniqueIndexes } from '../runs/unique-indexes.ts'
import { copyGrants, grantsAreTheSame, type Pair, replayGrants } from '../views/grants.ts'
import type { LiveView } from '../views/live-view.ts'
import { type Group, groupNames, type Member, type Places, wantedOf } from './group.ts'
import { requalify } from './requalify.ts'

/** The schemas of a group, which the owners of members may use, and those who have granted privileges on members. */
export function makePlaces({ members }: Group, { schemas }: Places): Statement[] {
  const wanted = members.flatMap((member) => [member.live, wantedOf(member)])
  const owners = unique(wanted.map(({ view }) => view.owner))
  const grantors = unique(wanted.flatMap(({ grants }) => grants.map(({ grantor }) => grantor)))
  return schemas.flatMap((schema): Statement[] =>
    [
      `create schema ${quoteIdentifier(schema)}`,
      `grant create on schema ${quoteIdentifier(schema)} to ${owners.join(', ')}`,
      `grant usage on schema ${quoteIdentifier(schema)} to ${unique([...owners, ...grantors]).join(', ')}`,
    ].map((sql) => ({ kind: 'command', phase: 'building', sql, hidden: true })),
  )
}

/**
 * Takes from the owners of members what they needed to make and to move twins: else an owner, or the code of one, could
 * leave something in the schemas, and they could not be dropped.
 */
export const closePlaces = (group: Group, { schemas }: Places): Statement[] =>
  mayCreate('revoke', 'from', group, schemas)

/** Lets the owners move the old views away. Until the commit, nobody else sees this. */
export const openPlaces = (group: Group, { schemas }: Places): Statement[] =>
  mayCreate('grant', 'to', group, schemas)

const mayCreate = (verb: string, to: string, { members }: Group, schemas: string[]): Statement[] => {
  const owners = unique(members.flatMap((member) => [member.live.view.owner, wantedOf(member).view.owner]))
  return schemas.map((schema) => ({
    kind: 'command',
    phase: 'building',
    sql: `${verb} create on schema ${quoteIdentifier(schema)} ${to} ${owners.join(', ')}`,
    hidden: true,
  }))
}

/** Drops the schemas, which proves that they are empty. */
export const dropPlaces = ({ schemas }: Places): Statement[] =>
  schemas.map((schema) => ({
    kind: 'command',
    phase: 'cut-over',
    sql: `drop schema ${quoteIdentifier(schema)}`,
    hidden: true,
  }))

/**
 * Builds the twins of all members, with no data but with everything that hangs on the views. Grants come at once, because
 * the owner of a child fills it from the twins of its parents.
 */
export const buildTwins = (group: Group, places: Places): Statement[] => [
  setting('default_tablespace', ''),
  ...group.members.flatMap((member) => buildTwinOf(group, member, places)),
]

/** The same for one member, after its parents. */
export function buildTwinOf(group: Group, member: Member, places: Places): Statement[] {
  const { oid } = member
  const live = wantedOf(member)
  const names = groupNames(oid, live, places)
  const wanted = onTwins(group, live, places)
  return about(live, [
    ...inPlaceOf(live.view.owner, [
      ...buildTwin(wanted, names),
      ...buildIndexes(wanted, names),
      ...buildStatistics(wanted, names),
    ]),
    ...giveStatistics(wanted, names),
    ...grantsOf(live, names),
  ])
}

/** Default privileges of a schema do not hold in the schema of the twins. */
const grantsOf = (live: LiveView, { view }: AsideNames): Statement[] =>
  replayGrants({ ...live, defaultGrants: live.defaultGrants.filter(({ everywhere }) => everywhere) }, view)

/** Gives the twins of members that do not change the privileges that their views have by now. */
export const copyGrantsOf = ({ members }: Group, places: Places): Statement[] =>
  unchanging(members).flatMap((member) => about(member.live, [copyGrants(pairOf(member, places), true)]))

/** Checks that this has given all of them. */
export function copiedGrants({ members }: Group, places: Places): Statement[] {
  const pairs = unchanging(members).map((member) => pairOf(member, places))
  return pairs.length === 0 ? [] : [grantsAreTheSame(pairs)]
}

const unchanging = (members: Member[]): Member[] => members.filter(({ wanted }) => wanted === undefined)

const pairOf = ({ oid, live: { view } }: Member, places: Places): Pair => ({
  oid,
  twin: { schema: places.twins(view.schema), name: view.name },
})

/** The view with all SQL on twins instead of members. */
export function onTwins({ members }: Group, live: LiveView, places: Places): LiveView {
  const moved = new Map(members.map(({ live: { view } }) => [quoteName(view), places.twins(view.schema)]))
  const on = (sql: string) => requalify(sql, moved)
  return {
    ...live,
    view: { ...live.view, definition: on(live.view.definition) },
    columns: live.columns.map((column) => ({
      ...column,
      default: column.default === null ? null : on(column.default),
    })),
    indexes: live.indexes.map((index) => ({ ...index, rest: on(index.rest) })),
    statistics: live.statistics.map((each) => ({ ...each, middle: on(each.middle) })),
  }
}

/**
 * Fills the twin of a materialized view and analyzes it, as its owner. Since PostgreSQL 17 that needs privilege `maintain`,
 * which an owner may have revoked from itself.
 */
export const fillTwin = (member: Member, places: Places): Statement[] => {
  const { oid } = member
  const live = wantedOf(member)
  const names = groupNames(oid, live, places)
  const unique = uniqueIndexes(
    live.indexes.map((index) => ({ ...index, on: index.rest })),
    names.index,
  )
  const filling = inPlaceOf(live.view.owner, [...fill(names.view, live.view, unique), analyze(names.view)])
  return about(
    live,
    ownerMaintains(live)
      ? filling
      : [...inPlaceOf(live.view.owner, [giveAll(live, names)]), ...filling, ...grantsOf(live, names)],
  )
}

/** Checks the data of a filled twin. Checks read the twins of other members, too. */
export function checkTwin(
  { members }: Group,
  member: Member,
  places: Places,
  checking: Checking | null | undefined,
): Statement[] {
  const live = wantedOf(member)
  const moved = new Map(members.map(({ live: { view } }) => [quoteName(view), places.twins(view.schema)]))
  const relation = groupNames(member.oid, live, places).view
  return checkData(
    {
      view: live.view,
      relation,
      seal: ownersSeal(live),
      key: `${places.key}_${member.oid}`,
      onTwins: (query) => requalify(query, moved),
    },
    checking,
  )
}

const ownerMaintains = ({ view: { owner }, grants, untouchedGrants }: LiveView): boolean =>
  untouchedGrants || grants.some(({ grantee, privilege }) => grantee === owner && privilege === 'MAINTAIN')

const giveAll = ({ view: { owner } }: LiveView, { view }: AsideNames): Statement => ({
  kind: 'command',
  phase: 'building',
  sql: `grant all on ${quoteName(view)} to ${owner}`,
  hidden: true,
})

/** Says in each error which member the statement is about. */
export const about = ({ view }: LiveView, statements: Statement[]): Statement[] =>
  statements.map((statement) => ({ ...statement, view: displayName(view) }))

const unique = (roles: string[]): string[] => [...new Set(roles)]
