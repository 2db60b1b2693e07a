import { type Obstacle, obstacle, type Requirement } from '../../catalog/plan/rights.ts'
import { isUnreadable, unreadableClause } from '../../catalog/plan/server-sql.ts'
import { memberOf, parsedOf } from '../../rebuild/plan/requirements.ts'
import { displayPart, literal, quoteName } from '../../sql/names.ts'
import { describeItem } from '../../trial/plan/copy.ts'
import type { AsideView } from './items.ts'

/** To act as every role of the items: each role with one object, which is quick to look at, or with every object. Pure. */
export function actingRequirements(items: AsideView[], by: 'role' | 'object'): Requirement[] {
  const roles = items.flatMap(rolesOf)
  const some = by === 'object' ? roles : new Map(roles.map((each) => [each.role, each])).values()
  return [...some].map(({ role, why, owned }) =>
    memberOf(role, owned, [`${why} ${role}, and `, `may not act as ${role}`]),
  )
}

/** What no SQL can make again. Pure. */
export function cannotCarry(item: AsideView): Obstacle[] {
  const { view } = item.live
  const reasons = [
    view.memberOf === null ? [] : `belongs to extension ${view.memberOf}`,
    view.hasSecurityLabel ? "has a security label, which only the label's provider can give" : [],
    view.replicaIdentity === 'index' ? 'has an index as its replica identity' : [],
    isUnreadable(view.definition) ? `has ${unreadableClause}` : [],
  ].flat()
  return [
    ...reasons.map((reason) => obstacle(`${describeItem(item)} ${reason}`)),
    ...parsedOf(item.live).map((part) =>
      obstacle(`${part} is never written again: drop it before, and make it again after`),
    ),
  ]
}

/** A role as which an item is made again, and why. */
interface ActingRole {
  role: string
  why: string
  /** An expression of SQL: what could be given to another owner instead. */
  owned: string | null
}

function rolesOf(item: AsideView): ActingRole[] {
  const named = describeItem(item)
  const { view, statistics, grants } = item.live
  return [
    ...grants.map(({ grantor }) => ({ role: grantor, why: `grants on ${named} are by`, owned: null })),
    ...statistics.map((each) => ({
      role: each.owner,
      why: `statistics ${displayPart(each.name)} of ${named} belong to`,
      owned: literal(`statistics ${quoteName(each)}`),
    })),
    { role: view.owner, why: `${named} belongs to`, owned: literal(`${view.kind} ${quoteName(view)}`) },
  ]
}
