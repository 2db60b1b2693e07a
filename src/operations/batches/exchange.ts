import {
  giveUpGroup,
  readBatchGroups,
  readGroupFacts,
  recordExchange,
} from '../../db/batches/batch-groups.ts'
import type { BatchView } from '../../db/batches/batch-views.ts'
import type { Batch } from '../../db/batches/batches.ts'
import { readPlanBasis } from '../../db/batches/latest-runs.ts'
import type { Sql } from '../../db/server/connect.ts'
import { lookAgain } from '../../db/server/look-again.ts'
import { readGroup } from '../../db/views/group.ts'
import type { TogetherGroup } from '../../plan/batches/next.ts'
import { planExchangeOfBuilt, whatChanged } from '../../plan/groups/exchange-built.ts'
import { materialized, placesOf } from '../../plan/groups/group.ts'
import type { AdvancingBatch } from './advancing.ts'
import { keyOf } from './form-groups.ts'

/** What became of the exchange of a group. */
export type PreparedExchange =
  | { runId: number; viewId: number; timeoutSeconds: number }
  /** Another run of a view of the group is running. */
  | 'in the way'
  /** Somebody's exclusive lock keeps the views from being read. */
  | 'locked'
  /** The twins do not fit any more, and are gone. */
  | 'given up'
  /** Another call has begun the exchange, or the batch does not go on. */
  | 'made elsewhere'

/**
 * Prepares the exchange of a group of which all twins are filled: reads the facts again, and writes the plan into the run of
 * the first member. What has changed cheaply since the twins were made is carried over. If anything else has changed, the
 * group is given up.
 */
export async function prepareExchange(
  sql: Sql,
  batch: Batch,
  views: BatchView[],
  group: TogetherGroup,
): Promise<PreparedExchange> {
  const built = await readGroupFacts(sql, batch.id, group.number)
  if (built === undefined) return 'made elsewhere'
  const members = group.members.flatMap((id) => views.find((view) => view.id === id) ?? [])
  const bases = await Promise.all(members.map((view) => readPlanBasis(sql, view)))
  if (bases.some((basis) => basis !== undefined && basis.runningRunId !== null)) return 'in the way'
  const now = await lookAgain(() =>
    readGroup(
      sql,
      materialized(built).map(({ oid }) => oid),
    ),
  )
  if (now === 'locked') return 'locked'
  const change = whatChanged(built, now)
  if (change !== null) {
    await giveUpGroup(sql, batch, group, { class: 'CatalogChanged', message: `${change}.` })
    return 'given up'
  }
  const timeoutSeconds = Math.max(...bases.map((basis) => basis?.timeoutSeconds ?? 0))
  const [first, ...others] = members
  const plan = planExchangeOfBuilt(built, now, placesOf(keyOf(batch, group.number), built), {
    timeoutSeconds,
    members: others.map(({ id, schema, name, view }) => ({ definitionId: id, schema, name, view })),
  })
  const runId = await recordExchange(sql, batch.id, group.members, plan)
  return runId === null || first === undefined
    ? 'made elsewhere'
    : { runId, viewId: first.id, timeoutSeconds }
}

/** Reads the groups again: another call may have given up one of them. */
export async function readGroupsAgain(advancing: AdvancingBatch): Promise<void> {
  const groups = await readBatchGroups(advancing.sql, advancing.batch.id)
  advancing.groups = groups.filter(({ givenUp }) => givenUp === null)
}

/** The same, and all runs. */
export async function readAllAgain(advancing: AdvancingBatch): Promise<void> {
  await Promise.all([readGroupsAgain(advancing), advancing.latestRuns.reload()])
}

/** Gives up a group of which a view was not built, and says which one. */
export const giveUpUnbuilt = (
  sql: Sql,
  batch: Batch,
  views: BatchView[],
  group: TogetherGroup,
  unbuilt: number[],
): Promise<void> => {
  const names = views.filter(({ id }) => unbuilt.includes(id)).map(({ view }) => view)
  return giveUpGroup(sql, batch, group, {
    class: 'NotExchanged',
    message:
      names.length === 0
        ? 'The exchange failed; the runs of the group say why.'
        : `The group was not exchanged, because ${names.join(', ')} ${names.length === 1 ? 'was' : 'were'} not built.`,
  })
}
