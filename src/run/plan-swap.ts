import { readObstacles } from '../catalog/db/read-obstacles.ts'
import type { Checking } from '../catalog/plan/checks.ts'
import type { Strategy } from '../catalog/plan/definition.ts'
import type { Reader, ViewFacts, ViewSnapshot } from '../catalog/plan/live-view.ts'
import { type Obstacle, obstacle } from '../catalog/plan/rights.ts'
import { lookAtGroup } from '../rebuild/db/group.ts'
import type { RunOptions } from '../rebuild/plan/fill.ts'
import { planRebuild } from '../rebuild/plan/plan-rebuild.ts'
import {
  isReadByViews,
  requirementsOf,
  swapRequirements,
  withoutMembers,
} from '../rebuild/plan/requirements.ts'
import { alone, materialized, type Scope, tooMany } from '../rebuild/plan/scope.ts'
import { type DefinitionDefaults, ensureDefinition } from '../record/definitions/definitions.ts'
import { alreadyRunning, findRunningRun, type Patience } from '../record/definitions/look.ts'
import { findFailed } from '../record/runs/failing.ts'
import { readChecking } from '../record/runs/past.ts'
import type { Sql } from '../server/database.ts'
import { besideCopy, brokenBackup, readHarmed } from '../server/standbys.ts'
import { besideBackup } from '../sql/backups.ts'
import { batchPlaces, quoteName } from '../sql/names.ts'
import type { RunPlan } from '../sql/run-plan.ts'
import { displayName, type QualifiedName } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import type { UsualDurations } from '../words/run.ts'
import { type GroupCost, type InBatch, type Swap, swapImpossible, usableIndex } from './plan/strategy.ts'

/** The refresh of a view together with all views that read it. */
interface GroupRefresh {
  /** What stands in the way; empty if nothing does. */
  refusals: Obstacle[]
  cost: GroupCost
  plan(options: RunOptions): RunPlan
}

interface SwapOptions extends Patience {
  wanted: Strategy
  usual: UsualDurations | null
  withoutChecks?: boolean | undefined
  inBatch?: InBatch | undefined
}

/**
 * Plans the refresh of a view with everything that reads it. A paused member stands in the way, because its
 * data have to stand still. If a lock keeps a reader from being read, throws what `lookAtGroup` throws; without `patience`, the lock stands
 * in the way. In a batch, throws AlreadyRunning if a run of a member is running; and unless a swap is requested, a member
 * that fails, and too little room for the shadows, stand in the way, too: the view would fail with its readers.
 * `gone`: the view was exchanged or dropped meanwhile.
 */
async function planGroup(
  sql: Sql,
  view: ViewFacts,
  { withoutChecks = false, patience, wanted, inBatch, usual }: SwapOptions & { patience: Patience | null },
): Promise<GroupRefresh | 'gone'> {
  const seen = await lookAtGroup(sql, view, patience ?? {}).catch((error) => {
    if (patience === null && error instanceof Problem) return error
    throw error
  })
  if (seen instanceof Problem) return impossible(seen)
  if (seen === 'gone') return seen
  const many = tooMany(materialized(seen).length)
  if (many !== null) return impossible(new Problem('SwapImpossible', many))
  const { group, built } = withoutShadows(seen)
  const others = materialized(group).filter(({ oid }) => oid !== view.oid)
  const definitions = new Map<string, DefinitionDefaults>()
  const checkings = new Map<string, Checking | null>()
  const define = async ({ live }: Reader) => {
    const definition = await ensureDefinition(sql, live.view)
    definitions.set(quoteName(live.view), definition)
    checkings.set(quoteName(live.view), withoutChecks ? null : await readChecking(sql, definition))
  }
  const [reasons] = await Promise.all([readObstacles(sql, requirementsOf(group)), ...others.map(define)])
  const paused = others.filter(({ live }) => definitions.get(quoteName(live.view))?.paused)
  const cost = {
    ...sizes(group, view),
    groupMs: usual?.groupMs ?? null,
    concurrentMs: usual?.concurrentMs ?? null,
  }
  const members = others.map(({ live }) => live.view)
  return {
    refusals: [
      ...reasons,
      ...[
        ...paused.map(({ live }) => `${displayName(live.view)}, which reads it, is paused`),
        ...built.map((name) => `a batch is building a shadow of ${displayName(name)}, which reads it`),
        ...(inBatch === undefined ? [] : await inTheWayOfBatch(sql, members, cost, inBatch, wanted)),
      ].map(obstacle),
    ],
    cost,
    plan: (options) =>
      planRebuild(group, view, {
        ...options,
        of: ({ oid, live }) => ({
          definitionId: Number(definitions.get(quoteName(live.view))?.id),
          checking: oid === view.oid ? options.checking : (checkings.get(quoteName(live.view)) ?? null),
        }),
      }),
  }
}

/** The group without the shadows that a batch builds, and the names of their views. A refusal names no shadow. */
function withoutShadows(seen: Scope): { group: Scope; built: { schema: null; name: string }[] } {
  const isShadow = ({ live }: Reader) => new RegExp(batchPlaces).test(live.view.schema)
  const members = seen.members
    .filter((member) => !isShadow(member))
    .map((member) => ({ ...member, live: withoutMembers(seen, member.live) }))
  return {
    group: { members },
    built: materialized(seen)
      .filter(isShadow)
      .map(({ live }) => ({ schema: null, name: live.view.name })),
  }
}

async function inTheWayOfBatch(
  sql: Sql,
  members: QualifiedName[],
  { groupBytes }: GroupCost,
  { maxShadowBytes }: InBatch,
  wanted: Strategy,
): Promise<string[]> {
  for (const member of members) {
    const running = await findRunningRun(sql, member, wanted === 'swap')
    if (running !== undefined) throw alreadyRunning(displayName(member), running)
  }
  if (wanted === 'swap') return []
  const failed = await findFailed(sql, members)
  return [
    ...failed.map((name) => `${displayName(name)}, which reads it, fails`),
    ...(maxShadowBytes !== null && groupBytes > maxShadowBytes
      ? [
          `its group would take ${groupBytes} bytes on disk, and the shadows of a batch may take ${maxShadowBytes} bytes`,
        ]
      : []),
  ]
}

function sizes(group: Scope, { oid }: ViewFacts): Pick<GroupCost, 'others' | 'groupBytes' | 'ownBytes'> {
  const members = materialized(group)
  return {
    others: members.filter((member) => member.oid !== oid).map(({ live }) => displayName(live.view)),
    groupBytes: members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    ownBytes: members.find((member) => member.oid === oid)?.sizeBytes ?? 0,
  }
}

const impossible = (problem: Problem): GroupRefresh => ({
  refusals: [obstacle(problem.message)],
  cost: { others: [], groupMs: null, concurrentMs: null, groupBytes: 0, ownBytes: 0 },
  plan: () => {
    throw problem
  },
})

/** Plans the swap of the view as it is in the snapshot. `gone`: the view was exchanged or dropped meanwhile. */
export async function planSwap(
  sql: Sql,
  view: ViewFacts,
  snapshot: ViewSnapshot,
  options: SwapOptions,
): Promise<Swap | 'gone'> {
  const { wanted, inBatch } = options
  const mayBeConcurrent = wanted === 'auto' && usableIndex(view) !== undefined
  const isRead = isReadByViews(snapshot.live)
  const isRefreshedAlone = isRead && mayBeConcurrent && inBatch !== undefined
  const group =
    isRead && !isRefreshedAlone
      ? // Another strategy need not wait for a lock on a reader.
        await planGroup(sql, view, { ...options, patience: wanted === 'swap' ? options : null })
      : null
  if (group === 'gone') return group
  const [{ backup, copy }, ofSwap] = await Promise.all([
    readHarmed(sql),
    group?.refusals ?? (isRefreshedAlone ? [] : readObstacles(sql, swapRequirements(snapshot.live))),
  ])
  const obstacles = isRefreshedAlone
    ? [obstacle('a batch refreshes a view with a usable unique index without the views that read it')]
    : [
        ...(backup !== null && mayBeConcurrent ? [obstacle(besideBackup(backup))] : []),
        ...(copy !== null && wanted === 'auto' ? [obstacle(besideCopy(copy))] : []),
        ...ofSwap,
      ]
  return {
    name: 'swap',
    obstacles,
    cost: isRead ? group?.cost : undefined,
    brokenBackup: backup === null ? null : brokenBackup(backup),
    plan(_, run) {
      if (obstacles.length > 0) return swapImpossible(view, obstacles)
      return group === null ? planRebuild(alone(view.oid, snapshot), view, run) : group.plan(run)
    },
  }
}
