import { inPlaceOf } from '../../catalog/plan/acting.ts'
import type { RowCountStrategy } from '../../catalog/plan/definition.ts'
import type { LiveView } from '../../catalog/plan/live-view.ts'
import { type QualifiedName, quoteName } from '../../sql/names.ts'
import type { Statement } from '../../sql/plan.ts'
import { type Checking, checkData } from './check-data.ts'
import { comparison, keyOf } from './compare.ts'
import { analyze, countShadow } from './counting.ts'
import { fill as refresh } from './create.ts'
import { about, givePrivileges } from './make.ts'
import { type Member, wantedOf } from './scope.ts'
import { ownersSandbox } from './shadow.ts'
import { isApart, onShadows, type Rebuild, shadowNames } from './shadow-place.ts'
import { uniqueIndexes } from './unique-indexes.ts'

/** How a shadow is filled. */
export interface Filling {
  checking?: Checking | null | undefined
  /** How its rows are counted. */
  counts?: RowCountStrategy
}

/**
 * Fills the shadow of a materialized view, analyzes, checks and counts it, as its owner, who may have revoked from itself
 * what that needs. Checks read the shadows of other members, too.
 */
export function fill(
  rebuild: Rebuild,
  member: Member,
  { checking, counts = 'none' }: Filling = {},
): Statement[] {
  const live = wantedOf(member)
  const { owner } = live.view
  const sandbox = ownersSandbox(live)
  const names = shadowNames(rebuild, member, live)
  const unique = uniqueIndexes(
    live.indexes.map((index) => ({ ...index, on: index.rest })),
    names.index,
  )
  const key = `${rebuild.place.key}_${member.oid}`
  const checked = { view: live.view, relation: names.view, sandbox, key }
  const elsewhere = isApart(rebuild) ? { onShadows: onShadows(rebuild) } : {}
  const comparing = checking?.refreshes && compared(member.live, names.view)
  const filling = [
    ...inPlaceOf(owner, [...refresh(names.view, live.view, unique), analyze(names.view)]),
    ...checkData({ ...checked, ...elsewhere, comparison: comparing }, checking),
    ...countShadow(names.view, sandbox, counts),
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
