import { inPlaceOf } from '../acting.ts'
import { displayName, quoteIdentifier, quoteName, type ViewName } from '../names.ts'
import type { Statement } from '../plan.ts'
import { analyze } from '../runs/counting.ts'
import { fill } from '../runs/create.ts'
import { setting } from '../runs/locks.ts'
import { buildIndexes, buildStatistics, buildTwin, giveStatistics } from '../runs/rebuild.ts'
import { uniqueIndexes } from '../runs/unique-indexes.ts'
import { replayGrants } from '../views/grants.ts'
import type { LiveView } from '../views/live-view.ts'
import type { Reader } from '../views/readers.ts'
import { type Group, groupNames, type Places } from './group.ts'
import { requalify } from './requalify.ts'

/** The schemas of a group, which the owners of members may use, and nobody else. */
export function makePlaces({ members }: Group, { schemas }: Places): Statement[] {
  const owners = [...new Set(members.map(({ live }) => live.view.owner))].join(', ')
  return schemas.flatMap((schema): Statement[] =>
    [
      `create schema ${quoteIdentifier(schema)}`,
      `grant usage, create on schema ${quoteIdentifier(schema)} to ${owners}`,
    ].map((sql) => ({ phase: 'building', sql, hidden: true })),
  )
}

/** Drops the schemas, which proves that they are empty. */
export const dropPlaces = ({ schemas }: Places): Statement[] =>
  schemas.map((schema) => ({
    phase: 'cut-over',
    sql: `drop schema ${quoteIdentifier(schema)}`,
    hidden: true,
  }))

/**
 * Builds the twins of all members, with no data but with everything that hangs on the views. Grants come at once, because the
 * owner of a child fills it from the twins of its parents.
 */
export const buildTwins = (group: Group, places: Places): Statement[] => [
  setting('default_tablespace', ''),
  ...group.members.flatMap((member) => buildTwinOf(group, member, places)),
]

function buildTwinOf(group: Group, { oid, live }: Reader, places: Places): Statement[] {
  const names = groupNames(oid, live, places)
  const wanted = onTwins(group, live, places)
  return about(live, [
    ...inPlaceOf(live.view.owner, [
      ...buildTwin(wanted, names),
      ...buildIndexes(wanted, names),
      ...buildStatistics(wanted, names),
    ]),
    ...giveStatistics(wanted, names),
    ...replayGrantsThere(
      group,
      // Default privileges of a schema do not hold in the schema of the twins.
      { ...live, defaultGrants: live.defaultGrants.filter(({ everywhere }) => everywhere) },
      names.view,
    ),
  ])
}

/** Replays grants in a schema of twins. A grantor who owns no member may use the schema meanwhile only. */
export function replayGrantsThere({ members }: Group, live: LiveView, twin: ViewName): Statement[] {
  const owners = new Set(members.map((member) => member.live.view.owner))
  const grantors = [...new Set(live.grants.map(({ grantor }) => grantor))].filter((role) => !owners.has(role))
  const replayed = replayGrants(live, twin)
  if (grantors.length === 0 || twin.schema === null) return replayed
  const usage = `usage on schema ${quoteIdentifier(twin.schema)}`
  const hidden = (sql: string): Statement => ({ phase: 'building', sql, hidden: true })
  return [
    hidden(`grant ${usage} to ${grantors.join(', ')}`),
    ...replayed,
    hidden(`revoke ${usage} from ${grantors.join(', ')}`),
  ]
}

/** The view with all SQL on twins instead of members. */
function onTwins({ members }: Group, live: LiveView, places: Places): LiveView {
  const moved = new Map(members.map(({ live: { view } }) => [quoteName(view), places.twins(view.schema)]))
  const on = (sql: string) => requalify(sql, moved)
  return {
    ...live,
    view: { ...live.view, definition: on(live.view.definition) },
    indexes: live.indexes.map((index) => ({ ...index, rest: on(index.rest) })),
    statistics: live.statistics.map((each) => ({ ...each, middle: on(each.middle) })),
  }
}

/** Fills the twin of a materialized view and analyzes it. */
export const fillTwin = ({ oid, live }: Reader, places: Places): Statement[] => {
  const names = groupNames(oid, live, places)
  const unique = uniqueIndexes(
    live.indexes.map((index) => ({ ...index, on: index.rest })),
    names.index,
  )
  return about(live, inPlaceOf(live.view.owner, [...fill(names.view, unique), analyze(names.view)]))
}

/** Says in each error which member the statement is about. */
export const about = ({ view }: LiveView, statements: Statement[]): Statement[] =>
  statements.map((statement) => ({ ...statement, view: displayName(view) }))
