import { readGroup } from '../rebuild/db/group.ts'
import type { RunOptions } from '../rebuild/plan/fill.ts'
import { becauseTogether, planExchange, planFilling, whatChanged } from '../rebuild/plan/plan-rebuild.ts'
import { apart, batchKey, type Scope } from '../rebuild/plan/scope.ts'
import { type PlanBasis, readPlanBasis } from '../record/batches/attempts.ts'
import { giveUpGroup } from '../record/batches/batch-groups.ts'
import { type BatchView, followersIn } from '../record/batches/batch-views.ts'
import type { Batch } from '../record/batches/batches.ts'
import { readGroupFacts, readNewer, recordTogether } from '../record/batches/group-runs.ts'
import { readView } from '../record/definitions/look.ts'
import type { TogetherGroup } from '../record/plan/batch.ts'
import { readChecking } from '../record/runs/past.ts'
import type { PlannedRefresh } from '../run/plan-refresh.ts'
import type { Sql } from '../server/database.ts'
import { lookAgain } from '../server/transactions.ts'
import { quoteName } from '../sql/names.ts'
import { actorsOf } from '../sql/run-plan.ts'
import { readSettings } from '../sql/settings.ts'
import { Problem } from '../words/problem.ts'
import { type AdvancingBatch, type Prepared, readAllAgain } from './advancing.ts'

/** Plans the run that fills the shadow of a view, which is exchanged with its group. Throws UnknownView if the view is gone. */
export async function planShadow(
  sql: Sql,
  batch: Batch,
  name: BatchView,
  { id, checks, timeoutSeconds, settings, skipsUnchanged }: PlanBasis,
  number: number,
): Promise<PlannedRefresh> {
  const view = await readView(sql, name)
  const group = await readGroupFacts<Scope>(sql, batch.id, number)
  const member = group?.members.find(({ live }) => quoteName(live.view) === quoteName(name))
  if (group === undefined || member === undefined)
    throw new Problem('CatalogChanged', `The group of ${name.view} is gone. Refresh again.`)
  const rebuild = apart(batchKey(batch, number), group)
  const options: RunOptions = {
    timeoutSeconds,
    ifRunning: 'wait',
    settings: readSettings(view.view, settings),
    checking: batch.request.withoutChecks === true ? null : await readChecking(sql, { id, checks }),
  }
  const plan = planFilling(rebuild, member, view, options)
  if (skipsUnchanged) plan.counted = true
  return {
    plan,
    timeoutSeconds,
    response: { strategy: 'swap', because: becauseTogether(group, member, name.includedBecause) },
    view,
  }
}

/**
 * Prepares the exchange of a group of which all shadows are filled: reads the facts again, and writes the plan into the run of
 * the first member. If more than privileges has changed since the shadows were made, or somebody has put newer data into a view,
 * the group is given up.
 */
export async function prepareExchange(advancing: AdvancingBatch, group: TogetherGroup): Promise<Prepared> {
  const { sql, batch, views } = advancing
  const built = await readGroupFacts<Scope>(sql, batch.id, group.number)
  if (built === undefined) return 'made elsewhere'
  const members = group.members.flatMap((id) => views.find((view) => view.id === id) ?? [])
  const bases = await Promise.all(members.map((view) => readPlanBasis(sql, batch, view)))
  if (bases.some((basis) => basis !== undefined && basis.runningRunId !== null)) return 'in the way'
  const now = await lookAgain(() =>
    readGroup(
      sql,
      built.members.map(({ oid }) => oid),
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
    await readAllAgain(advancing)
    return 'made elsewhere'
  }
  const timeoutSeconds = Math.max(...bases.map((basis) => basis?.timeoutSeconds ?? 0))
  // The members are those of the shadows, in the same schemas, so the place is the same.
  const plan = planExchange(apart(batchKey(batch, group.number), now), {
    timeoutSeconds,
    members: followersIn(members),
  })
  const [runId = null] = await recordTogether(sql, batch.id, 'built', [
    { group, members: members.map(({ id }) => ({ id })), plan },
  ])
  if (runId === null) return 'made elsewhere'
  const [owner = null, ...others] = new Set([
    ...now.members.map(({ live }) => live.view.owner),
    ...actorsOf(plan),
  ])
  return { run: runId, work: { plan, timeoutSeconds }, owner: others.length === 0 ? owner : null }
}
