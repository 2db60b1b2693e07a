import { readView } from '../db/catalog.ts'
import { ensureDefinition } from '../db/definitions.ts'
import { statementsOf } from '../plan/plan.ts'
import { planRefresh, type RowCountStrategy } from '../plan/refresh.ts'
import { chooseStrategy, type Strategy } from '../plan/strategy.ts'
import type { Call } from './call.ts'
import { resolveName } from './name.ts'
import { findReplay, performRun } from './perform.ts'
import type { Result } from './result.ts'

/** What a refresh may be asked; what is left open, the view's definition answers. */
export interface RefreshRequest {
  /** The view's name as SQL reads it, or its id. */
  view: string
  strategy?: Strategy | undefined
  rowCountStrategy?: RowCountStrategy | undefined
  /** The longest the refresh may take, waiting for locks included. */
  timeoutSeconds?: number | undefined
}

/** Refreshes a view: reads the facts, plans, has the server do it, and answers with the record. */
export function refresh(request: RefreshRequest, call: Call): Promise<Result> {
  return call.database.withConnection(async (sql) => {
    const asked = {
      operation: 'refresh',
      trigger: call.trigger,
      requestedBy: call.requestedBy,
      idempotencyKey: call.idempotencyKey,
      request: { ...request },
    } as const
    const replay = await findReplay(sql, call, asked)
    if (replay !== null) return replay

    const view = await readView(sql, await resolveName(sql, request.view))
    const definition = await ensureDefinition(sql, view)
    const run = { ...asked, definitionId: definition.id, schema: view.schema, name: view.name }
    return performRun(sql, call, run, () => {
      const timeoutSeconds = request.timeoutSeconds ?? definition.timeoutSeconds
      const choice = chooseStrategy(request.strategy ?? definition.strategy, view)
      const plan = planRefresh(view, choice, {
        rowCountStrategy: request.rowCountStrategy ?? definition.rowCountStrategy,
        timeoutSeconds,
        ifRunning: 'skip',
      })
      return { plan, timeoutSeconds, response: { ...choice, sql: statementsOf(plan) } }
    })
  })
}
