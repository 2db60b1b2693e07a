import { inPlaceOf } from '../acting.ts'
import { quoteIdentifier, quoteName, type ViewName } from '../names.ts'
import type { Statement } from '../plan.ts'
import type { Grant, LiveView } from './live-view.ts'

/**
 * Gives the twin exactly the view's privileges. A new relation starts with the default privileges, so they
 * are revoked first. Nothing is needed if nobody ever granted anything on the view and there are no default
 * privileges. Each grant is made as its old grantor, after the grant that gave the grantor the grant option.
 */
export function replayGrants(live: LiveView, twin: ViewName): Statement[] {
  const { view, grants, untouchedGrants, defaultGrants } = live
  if (untouchedGrants && defaultGrants.length === 0) return []
  const target = quoteName(twin)
  const revoked = [...new Set(['public', view.owner, ...defaultGrants.map(({ grantee }) => grantee)])]
  return [
    ...inPlaceOf(
      view.owner,
      revoked.map((grantee) => statement(`revoke all on ${target} from ${grantee} cascade`)),
    ),
    ...inGrantOrder(grants, view.owner).flatMap((grant) =>
      inPlaceOf(grant.grantor, [
        {
          ...statement(grantStatement(grant, target, view.owner)),
          carries: `the grant of ${describeGrant(grant)}`,
        },
      ]),
    ),
  ]
}

/** One grant of the catalog as a statement. */
export function grantStatement(
  { privilege, column, grantee, grantable }: Grant,
  target: string,
  owner: string,
): string {
  const what =
    column === null ? privilege.toLowerCase() : `${privilege.toLowerCase()} (${quoteIdentifier(column)})`
  // The owner has the grant option anyway, and the server refuses to grant it to the owner.
  const option = grantable && grantee !== owner ? ' with grant option' : ''
  return `grant ${what} on ${target} to ${grantee}${option}`
}

/** `select (day) to reporting` */
export const describeGrant = ({ privilege, column, grantee }: Grant): string =>
  `${privilege.toLowerCase()}${column === null ? '' : ` (${column})`} to ${grantee}`

const statement = (sql: string): Statement => ({ phase: 'building', sql, hidden: true })

/** The owner's grants first, then always those whose grantor already has the grant option. */
function inGrantOrder(grants: Grant[], owner: string): Grant[] {
  const allowed = (grant: Grant, made: Grant[]) =>
    grant.grantor === owner ||
    made.some(
      (earlier) =>
        earlier.grantable &&
        earlier.grantee === grant.grantor &&
        earlier.privilege === grant.privilege &&
        (earlier.column === null || earlier.column === grant.column),
    )
  const ordered: Grant[] = []
  let waiting = grants
  while (waiting.length > 0) {
    const ready = waiting.filter((grant) => allowed(grant, ordered))
    if (ready.length === 0) return [...ordered, ...waiting] // the server will say what is wrong with these
    ordered.push(...ready)
    waiting = waiting.filter((grant) => !ready.includes(grant))
  }
  return ordered
}
