import { readMembershipAdvice, readOwner, readReadersByOwner } from '../catalog/db/owner.ts'
import { readObstacles } from '../catalog/db/rights.ts'
import type { Definition } from '../catalog/plan/definition.ts'
import { type LiveView, ownedBy, type ViewSnapshot } from '../catalog/plan/live-view.ts'
import { sayObstacles } from '../catalog/plan/rights.ts'
import type { ViewFacts } from '../catalog/plan/view-facts.ts'
import { Problem } from '../problem.ts'
import { nextOwnersRequirements } from '../rebuild/plan/requirements.ts'
import type { Sql } from '../server/connect.ts'
import { unquoted } from '../sql/names.ts'

/**
 * A live view with the owner that it has after the change of its definition. Refuses
 * (InsufficientPrivilege) a new owner to whom we cannot give the view, who would take it from its readers, or whom the old
 * owner's code would reach with it.
 */
export async function readNextOwner(
  sql: Sql,
  view: ViewFacts,
  { live }: ViewSnapshot,
  { before, after }: { before: Definition | null; after: Definition },
): Promise<LiveView> {
  const old = live.view.owner
  // A definition without an owner gives back the view that the definition before took.
  const stays = after.owner === null && before?.owner !== unquoted(old)
  const owner = stays ? old : await readOwner(sql, after.owner)
  if (owner === old) return live
  const given = ownedBy(live, owner)
  const refusal = (message: string) =>
    new Problem('InsufficientPrivilege', `${view.view} cannot be given to ${owner}, because ${message}`, {
      field: 'owner',
    })
  if (!view.mayAlter) {
    const advice = await readMembershipAdvice(sql, old)
    throw refusal(`it needs the rights of its owner, ${old}. ${advice}`)
  }
  const authored = new Set([before, after].flatMap((each) => each?.indexes.map(({ name }) => name) ?? []))
  const [stray] = [
    ...live.indexes.filter(({ name }) => !authored.has(name)).map((each) => ({ ...each, kind: 'index' })),
    ...live.statistics.map((each) => ({ ...each, kind: 'statistics object' })),
  ].filter(({ hasExpressions }) => hasExpressions)
  if (stray !== undefined)
    throw refusal(
      `nobody has authored its ${stray.kind} ${stray.name}, whose expressions would run as ${owner}. Drop it first.`,
    )
  const lacks = await readObstacles(sql, nextOwnersRequirements(given))
  if (lacks.length > 0) throw refusal(sayObstacles(lacks))
  for (const { role, reader } of await readReadersByOwner(sql, view.oid, { old, owner })) {
    const mayRead =
      given.grants.some(
        ({ grantee, privilege }) => [role, 'public'].includes(grantee) && privilege === 'SELECT',
      ) ||
      after.grants.some(
        ({ to, privileges }) =>
          [unquoted(role), 'public'].includes(to) &&
          privileges.some((each) => ['select', 'all'].includes(each)),
      )
    if (mayRead) continue
    throw refusal(
      `${reader} of ${role} reads it, and would lose the right. Write ` +
        `grants: [{ privileges: ['select'], to: '${unquoted(role)}' }] into the definition.`,
    )
  }
  return given
}
