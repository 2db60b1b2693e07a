import { findDefinitionId } from '../catalog/db/definitions.ts'
import { deadlineOf } from '../run/answer.ts'
import type { Call, Result } from '../run/call.ts'
import { closeLostRuns } from '../run/db/life.ts'
import { type RunConnection, withRunConnection } from '../run/envelope/run-connection.ts'
import { performRun } from '../run/execute.ts'
import { skipped } from '../run/record.ts'
import type { Sql } from '../server/connect.ts'
import type { QualifiedName } from '../sql/names.ts'
import type { PlannedChange } from './plan.ts'
import { withRecord } from './record.ts'

/** A change of a view, or of several, as its run says it. */
interface RunOfChange {
  /** The name of the migration. */
  migration: string
  way: 'up' | 'down' | 'repair'
  /** The view whose run makes the change. */
  view: QualifiedName
  /** The statements that record the change, in its transaction. */
  record: string[]
}

/**
 * Makes a change in a run, with the plan `first`. `plan` plans the change again if needed: if then nothing is to be done any more, the
 * run is skipped.
 */
export async function runChange(
  sql: Sql,
  call: Omit<Call, 'caller' | 'idempotencyKey'>,
  { migration, way, view: { schema, name }, record }: RunOfChange,
  first: PlannedChange | null,
  plan: () => Promise<PlannedChange | null>,
): Promise<Result> {
  const { trigger, requestedBy } = call
  const requested = { trigger, requestedBy, caller: requestedBy, idempotencyKey: null }
  const run = {
    ...requested,
    schema,
    name,
    definitionId: (await findDefinitionId(sql, { schema, name })) ?? null,
    operation: first?.does === 'drop' ? ('drop' as const) : ('create' as const),
    request: { migration, way },
  }
  let planned = first
  await closeLostRuns(sql, run)
  const perform = (connection: RunConnection) =>
    performRun(connection, { ...call, ...requested }, run, async () => {
      const work = planned ?? (await plan())
      planned = null
      if (work === null) return skipped(`${migration} was done meanwhile`)
      return { ...work, plan: withRecord(work.plan, record), response: { because: `${migration}.${way}` } }
    })
  // The connection of the deploy holds locks of its session, which no code of a view may have in its reach.
  return withRunConnection(call.database, perform, { deadline: deadlineOf(call) })
}
