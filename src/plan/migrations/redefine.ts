import { inPlaceOf } from '../acting.ts'
import { quoteIdentifier, quoteName, unquoted } from '../names.ts'
import type { Plan, Statement } from '../plan.ts'
import { asideNames } from '../runs/aside-names.ts'
import { commentStatement, indexStatement } from '../runs/create.ts'
import { besideReaders, exclusively } from '../runs/locks.ts'
import { ownersSeal } from '../runs/rebuild.ts'
import type { RunOptions } from '../runs/refresh.ts'
import { planSwap, type ViewSnapshot } from '../runs/swap.ts'
import type { ViewDefinition } from '../views/definition.ts'
import { authoredGrants, needsRebuild, sameGrant, sameIndex } from '../views/differences.ts'
import { grantStatement } from '../views/grants.ts'
import type { Grant, LiveView } from '../views/live-view.ts'
import { liveViewHashQuery } from '../views/live-view-query.ts'
import type { ViewFacts } from '../views/view-facts.ts'

/** A view that is there and is to be another: what it is, what its definition was and is, and what the server makes of the new one. */
export interface Redefinition {
  view: ViewFacts
  live: ViewSnapshot
  /** What was authored before; null where nobody had authored the view. */
  before: ViewDefinition | null
  after: ViewDefinition
  /** `after`, as the server reads it. */
  twin: LiveView
}

/**
 * Plans how a live view becomes what its definition says. Pure. Another query or other columns are built aside and
 * exchanged, everything that hangs on the view carried over; anything else is altered in place. Indexes, grants and
 * comments that nobody authored stay. Null where there is nothing to do.
 */
export function planRedefinition(
  redefinition: Redefinition,
  options: RunOptions & { withData: boolean },
): { plan: Plan; does: 'rebuild' | 'alter' } | null {
  const { view, live, twin } = redefinition
  const wanted = wantedFacts(redefinition)
  if (needsRebuild(live.live, twin)) {
    return { plan: planSwap(view, live, options, { wanted, withData: options.withData }), does: 'rebuild' }
  }
  const changes = alterations(live.live, wanted, view.oid)
  if (changes.beside.length + changes.exclusive.length === 0) return null
  const asOwner = (some: Statement[]) => inPlaceOf(live.live.view.owner, some)
  const plan: Plan = {
    ifRunning: options.ifRunning,
    basis: { sql: liveViewHashQuery(String(view.oid)), is: live.hash },
    result: 'updated',
    fills: false,
    settings: options.settings,
    prepare: asOwner(changes.beside),
    cutOver:
      changes.exclusive.length === 0
        ? besideReaders([], options.timeoutSeconds)
        : exclusively(live.live.view, asOwner(changes.exclusive), {
            timeoutSeconds: options.timeoutSeconds,
            as: asOwner,
          }),
    written: null,
    aside: [],
  }
  return { plan, does: 'alter' }
}

/** The live facts with the authored changes: what was authored before and is not any more goes, the rest stays. */
function wantedFacts({ live: { live }, before, after, twin }: Redefinition): LiveView {
  const named = (definition: ViewDefinition | null) => new Set(definition?.indexes.map(({ name }) => name))
  const [indexesBefore, indexesAfter] = [named(before), named(after)]
  const granted = authoredGrants(twin)
  const isWithdrawn = (grant: Grant) =>
    grant.grantor === live.view.owner && wasAuthored(before, grant) && !granted.some(sameGrant(grant))
  return {
    ...live,
    view: {
      ...live.view,
      definition: twin.view.definition,
      // An empty comment is none.
      comment: after.comment || (before?.comment ? null : live.view.comment),
    },
    columns: twin.columns.map(
      (column) =>
        live.columns.find(({ name, type }) => name === column.name && type === column.type) ?? column,
    ),
    indexes: [
      ...live.indexes.filter(({ name }) => !indexesBefore.has(name) && !indexesAfter.has(name)),
      ...twin.indexes.map(
        (index) => live.indexes.find((each) => each.name === index.name && sameIndex(each, index)) ?? index,
      ),
    ],
    grants: [
      ...live.grants.filter((grant) => !isWithdrawn(grant)),
      ...granted
        .filter((grant) => !live.grants.some(sameGrant(grant)))
        .map((grant) => ({ ...grant, grantor: live.view.owner })),
    ],
    untouchedGrants: live.untouchedGrants && granted.length === 0,
  }
}

const wasAuthored = (before: ViewDefinition | null, { grantee, privilege, column }: Grant): boolean =>
  before?.grants.some(
    ({ to, privileges, columns }) =>
      to === unquoted(grantee) &&
      (privileges.includes('all') || privileges.includes(privilege.toLowerCase())) &&
      (columns === undefined ? column === null : column !== null && columns.includes(column)),
  ) ?? false

/** What changes a view in place: beside its readers, or with it for ourselves alone. */
function alterations(
  live: LiveView,
  wanted: LiveView,
  oid: number,
): { beside: Statement[]; exclusive: Statement[] } {
  const { schema } = live.view
  const target = quoteName(live.view)
  const aside = asideNames(oid, schema)
  const indexName = (name: string) => quoteName({ schema, name })
  const building = (sql: string): Statement => ({ phase: 'building', sql })
  const cutOver = (sql: string): Statement => ({ phase: 'cut-over', sql })
  const unchanged = new Set(live.indexes.filter((index) => wanted.indexes.includes(index)))
  const dropped = live.indexes.filter((index) => !unchanged.has(index))
  const made = wanted.indexes.filter((index) => !unchanged.has(index))
  const takesOver = (name: string) => dropped.some((index) => index.name === name)
  return {
    beside: [
      // A view is written to by refreshes alone: readers do not notice that an index is being built.
      ...made.map(
        ({ name, unique, rest, hasExpressions }, at): Statement => ({
          phase: 'indexes',
          sql: indexStatement({ name: takesOver(name) ? aside.index(at) : name, unique, on: rest }, target),
          computesRows: true,
          ...(hasExpressions ? { sealed: ownersSeal(live) } : {}),
        }),
      ),
      ...(live.view.comment === wanted.view.comment
        ? []
        : [building(commentStatement(wanted.view.comment, target))]),
      ...live.grants
        .filter((grant) => !wanted.grants.some(sameGrant(grant)))
        .map((grant) => building(revokeStatement(grant, target))),
      ...wanted.grants
        .filter((grant) => !live.grants.some(sameGrant(grant)) || isRevokedToo(grant, live, wanted))
        .map((grant) => building(grantStatement(grant, target, live.view.owner))),
    ],
    exclusive: [
      ...dropped.map(({ name }) => cutOver(`drop index ${indexName(name)}`)),
      ...made.flatMap(({ name }, at) =>
        takesOver(name)
          ? [cutOver(`alter index ${indexName(aside.index(at))} rename to ${quoteIdentifier(name)}`)]
          : [],
      ),
    ],
  }
}

/** What is revoked on a whole view is revoked on its columns too, and with a grant option comes back without it. */
const isRevokedToo = (grant: Grant, live: LiveView, wanted: LiveView): boolean =>
  live.grants.some(
    (each) =>
      !wanted.grants.some(sameGrant(each)) &&
      each.grantee === grant.grantee &&
      each.privilege === grant.privilege &&
      (each.column === null || each.column === grant.column),
  )

const revokeStatement = ({ privilege, column, grantee }: Grant, target: string): string =>
  `revoke ${privilege.toLowerCase()}${column === null ? '' : ` (${quoteIdentifier(column)})`} on ${target} from ${grantee}`
