import { authorStatement } from '../catalog/db/definitions.ts'
import { withoutShadowNames } from '../catalog/plan/shadow-names.ts'
import { Problem } from '../problem.ts'
import { StatementRefused } from '../rebuild/db/statements.ts'
import type { Sql } from '../server/connect.ts'
import { problemOf, sqlstateOf } from '../server/failures.ts'
import { displayName } from '../sql/names.ts'
import type { MigrateCall, MigrationDone } from './call.ts'
import { adoptRunStatement, withMigrationLock } from './db/journal.ts'
import { readMissing } from './db/missing.ts'
import { textOfRunError } from './failures.ts'
import type { MissingView } from './migrate.ts'
import type { FrozenMigration } from './plan/frozen.ts'
import { declaredAmong, firstNeeded, isMadeAnyway, type LivingView } from './plan/repair.ts'
import { type PlannedChange, planChange } from './plan.ts'
import { runChange } from './run-change.ts'

/**
 * Makes missing views again as they were frozen, each in a run, unless a pending migration makes or removes the view
 * anyway. A view that reads another missing one can be made only after that, so what the server refuses is tried again
 * until a round makes nothing. Returns the views that cannot be made, with the reasons.
 */
export const repairViews = (
  call: MigrateCall,
  migrations: FrozenMigration[],
): Promise<{ repaired: MigrationDone[]; missing: MissingView[] }> =>
  withMigrationLock(call, async (sql) => {
    const { missing, pending } = await readMissing(sql, migrations)
    const left = new Set(missing.filter(({ definition }) => !isMadeAnyway(definition, pending)))
    const refusals = new Map<LivingView, Refusal>()
    const repaired: MigrationDone[] = []
    for (let before = -1; repaired.length > before; ) {
      before = repaired.length
      for (const view of left) {
        if (refusals.get(view)?.isFinal) continue
        const outcome = await makeAgain(sql, call, view, [...left])
        if ('because' in outcome) {
          refusals.set(view, outcome)
          continue
        }
        left.delete(view)
        repaired.push(outcome)
        call.onDone?.(outcome)
      }
    }
    const missingYet = [...left].map(({ definition }) => definition)
    return {
      repaired,
      missing: [...left].map((view) => {
        const { because, isFinal } = refusals.get(view) as Refusal
        const first = isFinal ? [] : firstNeeded(view.definition, missingYet)
        return {
          view: displayName(view.definition),
          migration: view.migration.name,
          because: [because, ...first].join(' '),
        }
      }),
    }
  })

interface Refusal {
  because: string
  /** Whether a run has failed: trying again would only fail again. */
  isFinal: boolean
}

async function makeAgain(
  sql: Sql,
  call: MigrateCall,
  { definition, migration }: LivingView,
  left: LivingView[],
): Promise<MigrationDone | Refusal> {
  const [declared] = declaredAmong(
    definition,
    left.map((each) => each.definition),
  )
  if (declared !== undefined) return refusal(`It depends on ${displayName(declared)}.`)
  const { withData, waitUntil: deadline } = call
  const plan = async () => {
    const work = await planChange(sql, null, { does: 'define', definition }, { withData, deadline })
    return work?.does === 'create' ? work : null // otherwise it is there by now
  }
  let first: PlannedChange | null
  try {
    first = await plan()
  } catch (error) {
    return refusal(reasonOf(error, displayName(definition)))
  }
  const record = [authorStatement(definition, migration.checksum), adoptRunStatement(definition)]
  const run = { migration: migration.name, way: 'repair', view: definition, record } as const
  const { status, runId, response, error } = await runChange(sql, call, run, first, plan)
  if (status === 'running')
    return refusal(
      `Run ${runId} is still making it in the server, and will end by itself (GET /runs/${runId}).`,
      true,
    )
  if (error !== undefined) return refusal(textOfRunError(error, runId), true)
  return {
    name: displayName(definition),
    way: 'repair',
    does: 'create',
    runId,
    durationMs: response.durationMs,
  }
}

const refusal = (because: string, isFinal = false): Refusal => ({ because, isFinal })

/** What the server says, or we do, about a view that cannot be made now. */
function reasonOf(thrown: unknown, view: string): string {
  if (thrown instanceof StatementRefused)
    return `${withoutShadowNames(thrown.message, view)} (${sqlstateOf(thrown.cause) ?? 'no SQLSTATE'}).`
  const problem = problemOf(thrown)
  if (problem instanceof Problem && problem.code !== 'InternalError') return problem.message
  throw problem
}
