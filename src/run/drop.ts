import { findView } from '../catalog/db/catalog.ts'
import type { ViewFacts } from '../catalog/plan/live-view.ts'
import {
  type DefinitionDefaults,
  ensureDefinition,
  findDefinitionId,
} from '../record/definitions/definitions.ts'
import { readDependents, unknownView } from '../record/definitions/look.ts'
import { type Skipped, skipped } from '../record/runs/skip.ts'
import type { Sql } from '../server/database.ts'
import type { QualifiedName } from '../words/names.ts'
import type { Call, Result } from './call.ts'
import { execute, type OperationTarget, patienceOf } from './execute.ts'
import { planDrop } from './plan/drop.ts'
import type { PlannedRun } from './planned-run.ts'

/** A request for a drop. */
export interface DropRequest {
  /** The view's name as SQL reads it, or its id. */
  view: string
  /** Also drops what depends on the view. Default: the drop is refused if anything does. */
  cascade?: boolean | undefined
  /** Skips a view that does not exist, instead of refusing the drop. Default: true. */
  ifExists?: boolean | undefined
  /** The time limit of the drop, including waits for locks. */
  timeoutSeconds?: number | undefined
}

/** Drops a view. Its runs stay readable. */
export const drop = (request: DropRequest, call: Call): Promise<Result> =>
  execute({ name: 'drop', find, plan }, request, call)

interface DropTarget extends OperationTarget {
  /** Undefined if the view does not exist. */
  there: { view: ViewFacts; definition: DefinitionDefaults } | undefined
}

async function find(sql: Sql, name: QualifiedName, request: DropRequest): Promise<DropTarget> {
  const view = await findView(sql, name)
  if (view === undefined) {
    if (request.ifExists === false) throw await unknownView(sql, name)
    return { definitionId: (await findDefinitionId(sql, name)) ?? null, there: undefined }
  }
  const definition = await ensureDefinition(sql, view)
  return { definitionId: definition.id, there: { view, definition } }
}

async function plan(
  sql: Sql,
  _name: QualifiedName,
  { there }: DropTarget,
  request: DropRequest,
  call: Call,
): Promise<PlannedRun | Skipped> {
  if (there === undefined) return skipped('the view does not exist')
  const { view, definition } = there
  const timeoutSeconds = request.timeoutSeconds ?? definition.timeoutSeconds
  const dependents = await readDependents(sql, view, patienceOf(call, timeoutSeconds))
  const plan = planDrop(view, dependents, {
    cascade: request.cascade ?? false,
    timeoutSeconds,
    definitionId: definition.id,
  })
  const response = dependents.length === 0 ? {} : { because: `also dropped: ${dependents.join(', ')}` }
  return { plan, timeoutSeconds, response }
}
