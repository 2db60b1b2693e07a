import { readGroup } from '../rebuild/db/group.ts'
import { planCutOver, whatChanged } from '../rebuild/plan/plan.ts'
import { materialized } from '../rebuild/plan/scope.ts'
import { apart, batchKey } from '../rebuild/plan/shadow-place.ts'
import type { Work } from '../run/envelope/run-connection.ts'
import { recordPosition } from '../run/plan/refresh.ts'
import type { TogetherGroup } from '../run/plan/turn.ts'
import { lookAgain } from '../server/transactions.ts'
import type { AdvancingBatch } from './advancing.ts'
import { giveUpGroup, readGroupFacts, readNewer, recordExchange } from './db/batch-groups.ts'
import { readPlanBasis } from './db/latest-runs.ts'

/** What became of the exchange of a group. */
export type PreparedExchange =
  | { runId: number; viewId: number; work: Work }
  /** Another run of a view of the group is running. */
  | 'in the way'
  /** Somebody's exclusive lock keeps the views from being read. */
  | 'locked'
  /** The shadows do not fit any more, and are gone. */
  | 'given up'
  /** Another call has begun the exchange, or the batch does not go on. */
  | 'made elsewhere'

/**
 * Prepares the exchange of a group of which all shadows are filled: reads the facts again, and writes the plan into the run of
 * the first member. If more than privileges has changed since the shadows were made, or somebody has put newer data into a view,
 * the group is given up.
 */
export async function prepareExchange(
  { sql, batch, views }: AdvancingBatch,
  group: TogetherGroup,
): Promise<PreparedExchange> {
  const built = await readGroupFacts(sql, batch.id, group.number)
  if (built === undefined) return 'made elsewhere'
  const members = group.members.flatMap((id) => views.find((view) => view.id === id) ?? [])
  const bases = await Promise.all(members.map((view) => readPlanBasis(sql, batch, view)))
  if (bases.some((basis) => basis !== undefined && basis.runningRunId !== null)) return 'in the way'
  const now = await lookAgain(() =>
    readGroup(
      sql,
      materialized(built).map(({ oid }) => oid),
    ),
  )
  if (now === 'locked') return 'locked'
  const paused = members.find((_, at) => bases[at]?.paused)
  const newer = await readNewer(sql, batch.id, group)
  const change =
    paused !== undefined
      ? `${paused.view} was paused during the batch`
      : (whatChanged(built, now) ??
        (newer && `Somebody has refreshed ${newer}, or granted privileges on it, while its shadow was built`))
  if (change !== null) {
    await giveUpGroup(sql, batch, group, {
      class: paused === undefined ? 'CatalogChanged' : 'Paused',
      message: `${change}.`,
    })
    return 'given up'
  }
  const timeoutSeconds = Math.max(...bases.map((basis) => basis?.timeoutSeconds ?? 0))
  const [first, ...others] = members
  // The members are those of the shadows, in the same schemas, so the place is the same.
  const plan = planCutOver(apart(batchKey(batch, group.number), now), {
    timeoutSeconds,
    members: others.map(({ id, schema, name, view }) => ({ definitionId: id, schema, name, view })),
  })
  if (bases.some((basis) => basis?.onReplicas)) plan.later.push(recordPosition)
  const runId = await recordExchange(sql, batch.id, group.members, plan)
  return runId === null || first === undefined
    ? 'made elsewhere'
    : { runId, viewId: first.id, work: { plan, timeoutSeconds } }
}
