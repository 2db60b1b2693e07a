import { displayName, displayPart } from '../names.ts'
import type { Refusal } from '../rights.ts'
import { swapRefusals } from '../runs/swap-refusals.ts'
import type { LiveView, SwapRights } from '../views/live-view.ts'
import type { Reader } from '../views/readers.ts'
import type { Group } from './group.ts'

/** What a role may do with the views of a group. */
export interface GroupRights {
  role: string
  /** By the OIDs of the members. */
  members: Map<number, SwapRights>
  /** The database and its owner, written as in SQL, and whether the role may make schemas in it. */
  database: { name: string; owner: string; mayCreate: boolean }
  /** What stands between members and is rebuilt with none: see `betweenQuery`. */
  between: string
}

/** What stands in the way of rebuilding a group, each object by name; empty if nothing does. Pure. */
export function groupRefusals(group: Group, rights: GroupRights): Refusal[] {
  const { members } = group
  return [
    ...placeRefusals(rights),
    ...members.flatMap((member) =>
      memberRefusals(group, member, rights).map(({ because, right }) => ({
        because: `${displayName(member.live.view)}: ${because}`,
        right,
      })),
    ),
    ...unfilled(group),
    ...(rights.between === '' ? [] : [{ because: rights.between, right: null }]),
  ]
}

/** What stands in the way of making places for twins. */
export const placeRefusals = ({ role, database: { name, owner, mayCreate } }: GroupRights): Refusal[] =>
  mayCreate
    ? []
    : [
        {
          because: `materialized views read it, and ${role} may not make the schemas for their rebuild in database ${name}`,
          right: { privilege: 'create', on: `database ${name}`, owner },
        },
      ]

/** The member without the readers, and the rules on readers, that are rebuilt together with it. */
export function withoutMembers({ members }: Group, live: LiveView): LiveView {
  const inside = new Set<number | null>(members.map(({ oid }) => oid))
  return {
    ...live,
    dependents: live.dependents.filter(({ reader, ruleOf }) => !inside.has(reader) && !inside.has(ruleOf)),
  }
}

/** What stands in the way of rebuilding one member. */
export function memberRefusals(group: Group, { oid, live }: Reader, { members }: GroupRights): Refusal[] {
  const rights = members.get(oid)
  return rights === undefined ? [] : swapRefusals(withoutMembers(group, live), rights)
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
