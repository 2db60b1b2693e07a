import { displayName, displayPart, literal, quoteName } from '../names.ts'
import { impossible, type Need } from '../rights.ts'
import { memberOf } from '../runs/swap-needs.ts'
import { isUnreadable, unreadableClause } from '../views/server-sql.ts'
import { type AsideItem, describeItem } from './items.ts'

/** What the items need, so that they can be taken away and made again. Each role is named once, with one object. Pure. */
export function asideNeeds(items: AsideItem[]): Need[] {
  const roles = new Map(items.flatMap(rolesOf).map((each) => [each.role, each]))
  return [
    ...items.flatMap(cannotCarry),
    ...[...roles.values()].map(({ role, why, owned }) =>
      memberOf(role, owned, [`${why} ${role}, and `, `may not act as ${role}`]),
    ),
  ]
}

/** Of a view: what no SQL can make again. */
function cannotCarry(item: AsideItem): Need[] {
  if (item.kind !== 'view') return []
  const { view } = item.live
  const reasons = [
    view.memberOf === null ? [] : `belongs to extension ${view.memberOf}`,
    view.hasSecurityLabel ? "has a security label, which only the label's provider can give" : [],
    view.replicaIdentity === 'index' ? 'has an index as its replica identity' : [],
    isUnreadable(view.definition) ? `has ${unreadableClause}` : [],
  ].flat()
  return reasons.map((reason) => impossible(`${describeItem(item)} ${reason}`))
}

/** A role as which an item is made again, and why. */
interface ActingRole {
  role: string
  why: string
  /** An expression of SQL: what could be given to another owner instead. */
  owned: string | null
}

function rolesOf(item: AsideItem): ActingRole[] {
  if (item.kind === 'policy') {
    const owned = literal(`table ${quoteName(item.table)}`)
    return [{ role: item.owner, why: `table ${displayName(item.table)} belongs to`, owned }]
  }
  const named = describeItem(item)
  if (item.kind === 'function')
    return [{ role: item.owner, why: `${named} belongs to`, owned: literal(named) }]
  const { view, statistics, grants } = item.live
  return [
    ...grants.map(({ grantor }) => ({ role: grantor, why: `grants on ${named} are by`, owned: null })),
    ...statistics.map(({ owner, name }) => ({
      role: owner,
      why: `statistics ${displayPart(name)} of ${named} belong to`,
      owned: null,
    })),
    { role: view.owner, why: `${named} belongs to`, owned: literal(`${view.kind} ${quoteName(view)}`) },
  ]
}
