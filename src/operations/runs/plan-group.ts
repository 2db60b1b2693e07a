import { readUsualDurations } from '../../db/runs/history.ts'
import type { Sql } from '../../db/server/connect.ts'
import { type DefinitionDefaults, ensureDefinition } from '../../db/views/definitions.ts'
import { lookAtGroup, readGroupRights } from '../../db/views/group.ts'
import type { Patience } from '../../db/views/look.ts'
import { batchPlaces, type Group, materialized } from '../../plan/groups/group.ts'
import { planGroupRefresh } from '../../plan/groups/refresh.ts'
import { groupObstacles } from '../../plan/groups/refusals.ts'
import { displayName, type QualifiedName, quoteName } from '../../plan/names.ts'
import type { Plan } from '../../plan/plan.ts'
import type { RunOptions } from '../../plan/runs/refresh.ts'
import type { GroupCost } from '../../plan/runs/strategy.ts'
import type { ViewFacts } from '../../plan/views/view-facts.ts'
import { Problem } from '../../problem.ts'

/** The refresh of a view together with all views that read it. */
interface GroupRefresh {
  /** What stands in the way; empty if nothing does. */
  refusals: string[]
  cost: GroupCost
  plan(options: RunOptions): Plan
}

/**
 * Plans the refresh of a view with everything that reads it. A paused member stands in the way, unless the request has
 * `force`. If a lock keeps a reader from being read, throws what `lookAtGroup` throws; without `patience`, the lock stands
 * in the way.
 */
export async function planGroup(
  sql: Sql,
  view: ViewFacts,
  definitionId: number,
  { force = false, patience }: { force?: boolean | undefined; patience: Patience | null },
): Promise<GroupRefresh> {
  const group = await lookAtGroup(sql, view, patience ?? {}).catch((error) => {
    if (patience === null && error instanceof Problem) return error
    throw error
  })
  if (group instanceof Problem) return impossible(group)
  const built = group.members.find(({ live }) => new RegExp(batchPlaces).test(live.view.schema))
  if (built !== undefined)
    return impossible(
      new Problem('SwapImpossible', `a batch is building a twin of ${built.live.view.name}, which reads it`),
    )
  const others = materialized(group).filter(({ oid }) => oid !== view.oid)
  const definitions = new Map<string, DefinitionDefaults>()
  for (const { live } of others) definitions.set(quoteName(live.view), await ensureDefinition(sql, live.view))
  const paused = others.filter(({ live }) => !force && definitions.get(quoteName(live.view))?.paused)
  const obstacles = groupObstacles(group, await readGroupRights(sql, group))
  return {
    refusals: [
      ...obstacles.map(({ because }) => because),
      ...paused.map(({ live }) => `${displayName(live.view)}, which reads it, is paused`),
    ],
    cost: { ...sizes(group, view), ...(await readUsualDurations(sql, definitionId)) },
    plan: (options) =>
      planGroupRefresh(group, view, options, (member: QualifiedName) =>
        Number(definitions.get(quoteName(member))?.id),
      ),
  }
}

function sizes(group: Group, { oid }: ViewFacts): Pick<GroupCost, 'others' | 'groupBytes' | 'ownBytes'> {
  const members = materialized(group)
  return {
    others: members.filter((member) => member.oid !== oid).map(({ live }) => displayName(live.view)),
    groupBytes: members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    ownBytes: members.find((member) => member.oid === oid)?.sizeBytes ?? 0,
  }
}

const impossible = (problem: Problem): GroupRefresh => ({
  refusals: [problem.message],
  cost: { others: [], groupMs: null, concurrentMs: null, groupBytes: 0, ownBytes: 0 },
  plan: () => {
    throw problem
  },
})
