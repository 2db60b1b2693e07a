import { displayName, displayPart } from '../names.ts'
import { swapObstacles } from '../runs/swap-refusals.ts'
import type { LiveView, SwapRights } from '../views/live-view.ts'
import type { Reader } from '../views/readers.ts'
import type { Refusal } from '../views/rights.ts'
import type { Group } from './group.ts'

/** What we may do with the views of a group. */
export interface GroupRights {
  /** By the OIDs of the members. */
  members: Map<number, SwapRights>
  /** The database and its owner, written as in SQL, and whether we may make schemas in it. */
  database: { name: string; owner: string; mayCreate: boolean }
  /** What stands between members and is rebuilt with none: see `betweenQuery`. */
  between: string
}

/** What stands in the way of rebuilding a group for `role`, each object by name; empty if nothing does. Pure. */
export function groupObstacles(group: Group, rights: GroupRights, role = 'we'): Refusal[] {
  const { members } = group
  const { name, owner, mayCreate } = rights.database
  return [
    ...(mayCreate
      ? []
      : [
          {
            because: `materialized views read it, and ${role} may not make the schemas for their rebuild in database ${name}`,
            right: { privilege: 'create', on: `database ${name}`, owner },
          },
        ]),
    ...members.flatMap((member) =>
      obstaclesOf(group, member, rights, role).map(({ because, right }) => ({
        because: `${displayName(member.live.view)}: ${because}`,
        right,
      })),
    ),
    ...unfilled(group),
    ...(rights.between === '' ? [] : [{ because: rights.between, right: null }]),
  ]
}

/** The member without the readers, and the rules on readers, that are rebuilt together with it. */
export function withoutMembers({ members }: Group, live: LiveView): LiveView {
  const inside = new Set<number | null>(members.map(({ oid }) => oid))
  return {
    ...live,
    dependents: live.dependents.filter(({ reader, ruleOf }) => !inside.has(reader) && !inside.has(ruleOf)),
  }
}

/** What stands in the way of rebuilding one member. */
export function obstaclesOf(
  group: Group,
  { oid, live }: Reader,
  { members }: GroupRights,
  role = 'we',
): Refusal[] {
  const rights = members.get(oid)
  return rights === undefined ? [] : swapObstacles(withoutMembers(group, live), rights, role)
}

/** What a reader says about columns of a view that go, in words that follow the reader's name. */
export const lacks = (columns: string[], { view }: LiveView): string =>
  `reads ${columns.length === 1 ? 'column' : 'columns'} ${columns.map(displayPart).join(', ')} of ${displayName(view)}, which the new query does not have`

/** A view with data whose parent has none would lose its data. It may read the parent through plain views. */
function unfilled({ members }: Group): Refusal[] {
  const empty = new Map<number, string>()
  const refusals: Refusal[] = []
  for (const { oid, live, populated, reads } of members) {
    const parent = reads.map((read) => empty.get(read)).find((name) => name !== undefined)
    if (!populated) empty.set(oid, displayName(live.view))
    else if (parent !== undefined && live.view.kind === 'view') empty.set(oid, parent)
    else if (parent !== undefined)
      refusals.push({
        because: `${displayName(live.view)} reads ${parent}, which is unpopulated`,
        right: null,
      })
  }
  return refusals
}
