import { displayName, displayPart } from '../names.ts'
import { impossible, type Need, onDatabase } from '../rights.ts'
import { namedNeed, swapNeeds } from '../runs/swap-needs.ts'
import type { LiveView } from '../views/live-view.ts'
import type { OutlinedReader, Reader } from '../views/readers.ts'
import { betweenQuery } from './between.ts'
import { everything, type Group } from './group.ts'

/** What the rebuild of a group needs, each object by name. Pure. */
export const groupNeeds = (group: Group): Need[] => [
  placesNeed,
  ...group.members.flatMap((member) => memberNeeds(group, member)),
  ...unfilled(group),
  {
    from: `(${betweenQuery(everything(group).map(({ oid }) => oid))}) as b(what)`,
    because: 'b.what',
    given: `b.what = ''`,
  },
]

/** To make places for twins. */
export const placesNeed: Need = {
  ...onDatabase('create', 'false'),
  given: `d.datname <> current_database() or has_database_privilege(asked.role, d.oid, 'create')`,
  because: `format('materialized views read it, and %s may not make the schemas for their rebuild in database %I', asked.role::regrole, d.datname)`,
}

/** What the rebuild of one member needs. */
export const memberNeeds = (group: { members: OutlinedReader[] }, { live }: Reader): Need[] =>
  swapNeeds(withoutMembers(group, live)).map((need) => namedNeed(displayName(live.view), need))

/** The member without the readers, and the rules on readers, that are rebuilt together with it. */
export function withoutMembers({ members }: { members: OutlinedReader[] }, live: LiveView): LiveView {
  const inside = new Set<number | null>(members.map(({ oid }) => oid))
  return {
    ...live,
    dependents: live.dependents.filter(({ reader, ruleOf }) => !inside.has(reader) && !inside.has(ruleOf)),
  }
}

/** What a reader says about columns of a view that go, in words that follow the reader's name. */
export const lacks = (columns: string[], { view }: LiveView): string =>
  `reads ${columns.length === 1 ? 'column' : 'columns'} ${columns.map(displayPart).join(', ')} of ${displayName(view)}, which the new query does not have`

/** A view with data whose parent has none would lose its data. It may read the parent through plain views. */
function unfilled({ members }: Group): Need[] {
  const empty = new Map<number, string>()
  const needs: Need[] = []
  for (const { oid, live, populated, reads } of members) {
    const parent = reads.map((read) => empty.get(read)).find((name) => name !== undefined)
    if (!populated) empty.set(oid, displayName(live.view))
    else if (parent !== undefined && live.view.kind === 'view') empty.set(oid, parent)
    else if (parent !== undefined)
      needs.push(impossible(`${displayName(live.view)} reads ${parent}, which is unpopulated`))
  }
  return needs
}
