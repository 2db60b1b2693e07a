import { findView } from '../catalog/db/catalog.ts'
import type { ViewFacts } from '../catalog/plan/view-facts.ts'
import { readUsualDurations } from '../run/db/history.ts'
import { planRegularTogether } from '../run/plan/refresh.ts'
import { shortTogether } from '../run/plan/strategy.ts'
import type { TogetherGroup } from '../run/plan/turn.ts'
import type { Sql } from '../server/connect.ts'
import { statementsOf } from '../sql/plan.ts'
import { type AdvancingBatch, readAllAgain } from './advancing.ts'
import { requestOf } from './db/attempts.ts'
import { giveUpGroup, recordInPlace } from './db/batch-groups.ts'
import type { BatchView } from './db/batch-views.ts'
import type { Batch } from './db/batches.ts'
import { type PlanBasis, readPlanBasis } from './db/latest-runs.ts'

/** A view of a group that is refreshed where it is. */
interface InPlace {
  view: ViewFacts
  basis: PlanBasis
}

/**
 * Whether the views of a group may be refreshed where they are, in one transaction: if that locks readers out no longer than an
 * exchange would. Then it shows the same data at one moment, and costs a fifth. Null if they may not, or if one wants more
 * than `auto` of a refresh: checks, counts, settings, replicas.
 */
export async function readInPlace(
  sql: Sql,
  batch: Batch,
  members: Pick<BatchView, 'id' | 'schema' | 'name'>[],
): Promise<{ members: InPlace[]; ms: number } | null> {
  const all: InPlace[] = []
  const usual = []
  for (const member of members) {
    const [basis, view, durations] = await Promise.all([
      readPlanBasis(sql, batch, member),
      findView(sql, member),
      readUsualDurations(sql, member),
    ])
    if (
      basis === undefined ||
      view === undefined ||
      !view.mayAlter ||
      !view.populated ||
      !isPlain(basis, batch)
    )
      return null
    all.push({ basis, view })
    usual.push(durations)
  }
  const ms = shortTogether(usual)
  return ms === null ? null : { members: all, ms }
}

const isPlain = (
  { strategy, checks, settings, onReplicas, rowCountStrategy, skipsUnchanged, paused }: PlanBasis,
  batch: Batch,
): boolean =>
  (batch.strategy ?? strategy) === 'auto' &&
  Object.keys(checks).length + Object.keys(settings).length === 0 &&
  onReplicas === null &&
  rowCountStrategy === 'none' &&
  !skipsUnchanged &&
  !paused

/** Prepares the run that refreshes a group where it is. If that is not possible any more, its views are refreshed each by itself. */
export async function prepareInPlace(advancing: AdvancingBatch, group: TogetherGroup) {
  const { sql, batch, views } = advancing
  const members = views.filter(({ id }) => group.members.includes(id))
  const found = await readInPlace(sql, batch, members)
  if (found === null) {
    const message =
      'A view of the group was changed, paused or altered during the batch, or takes longer by now.'
    await giveUpGroup(sql, batch, group, { class: 'CatalogChanged', message })
    await readAllAgain(advancing)
    return 'made elsewhere' as const
  }
  const bases = found.members.map(({ basis }) => basis)
  if (bases.some(({ runningRunId }) => runningRunId !== null)) return 'in the way' as const
  const facts = found.members.map(({ view }) => view)
  const timeoutSeconds = Math.max(...bases.map((basis) => basis.timeoutSeconds))
  const others = members
    .slice(1)
    .map(({ id, schema, name, view }) => ({ definitionId: id, schema, name, view }))
  const plan = planRegularTogether(facts, others, {
    rowCountStrategy: 'none',
    timeoutSeconds,
    ifRunning: 'wait',
    settings: {},
    insistsOnOwner: true,
    checking: null,
  })
  const because = `the batch refreshes ${members.map(({ view }) => view).join(', ')} in one transaction: that locks readers out for about ${Math.ceil(found.ms)} ms, no longer than an exchange, which costs more`
  const runId = await recordInPlace(
    sql,
    batch.id,
    members.map((member, at) => ({
      id: member.id,
      meta: {
        request: requestOf(batch, member).request,
        response: { strategy: 'regular', because, ...(at === 0 ? { sql: statementsOf(plan) } : {}) },
      },
    })),
    plan,
  )
  if (runId === null) return 'made elsewhere' as const
  const owners = new Set(facts.map(({ owner }) => owner))
  return {
    run: runId,
    work: { plan, timeoutSeconds },
    owner: owners.size === 1 ? (facts[0]?.owner ?? null) : null,
  }
}
