import { findView, readDependents, unknownView } from '../../db/views/catalog.ts'
import { ensureDefinition, findDefinitionId } from '../../db/views/definitions.ts'
import { planDrop } from '../../plan/runs/drop.ts'
import type { RowCountStrategy } from '../../plan/views/definition.ts'
import type { Call } from './call.ts'
import { resolveName } from './name.ts'
import { operate } from './operate.ts'
import { performRun } from './perform.ts'
import type { Result } from './result.ts'

/** What a drop may be asked. */
export interface DropRequest {
  /** The view's name as SQL reads it, or its id. */
  view: string
  /** Drops what depends on the view, too. Default: refuses then. */
  cascade?: boolean | undefined
  /** A view that is not there is skipped. Default: true. */
  ifExists?: boolean | undefined
  rowCountStrategy?: RowCountStrategy | undefined
  /** The longest the drop may take, waiting for locks included. */
  timeoutSeconds?: number | undefined
}

/** Drops a view. Its runs stay readable. */
export const drop = (request: DropRequest, call: Call): Promise<Result> =>
  operate('drop', request, call, async (sql, asked) => {
    const name = await resolveName(sql, request.view)
    const view = await findView(sql, name)
    if (view === undefined) {
      if (request.ifExists === false) throw unknownView(name)
      const run = { ...asked, ...name, definitionId: (await findDefinitionId(sql, name)) ?? null }
      return performRun(sql, call, run, async () => ({ skipBecause: 'the view is not there' }))
    }
    const definition = await ensureDefinition(sql, view)
    const run = { ...asked, ...name, definitionId: definition.id }
    return performRun(sql, call, run, async () => {
      const timeoutSeconds = request.timeoutSeconds ?? definition.timeoutSeconds
      const dependents = await readDependents(sql, view)
      const plan = planDrop(view, dependents, {
        cascade: request.cascade ?? false,
        rowCountStrategy: request.rowCountStrategy ?? definition.rowCountStrategy,
        timeoutSeconds,
        definitionId: definition.id,
      })
      const response = dependents.length === 0 ? {} : { because: `along with it: ${dependents.join(', ')}` }
      return { plan, timeoutSeconds, response }
    })
  })
