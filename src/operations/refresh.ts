import { readView } from '../db/catalog.ts'
import { ensureDefinition } from '../db/definitions.ts'
import type { RowCountStrategy } from '../plan/counting.ts'
import type { Strategy } from '../plan/strategy.ts'
import type { Call } from './call.ts'
import { resolveName } from './name.ts'
import { operate } from './operate.ts'
import { performRun } from './perform.ts'
import { planRefresh } from './plan-refresh.ts'
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
export const refresh = (request: RefreshRequest, call: Call): Promise<Result> =>
  operate('refresh', request, call, async (sql, asked) => {
    const name = await resolveName(sql, request.view)
    const view = await readView(sql, name)
    const definition = await ensureDefinition(sql, view)
    const run = { ...asked, ...name, definitionId: definition.id }
    return performRun(sql, call, run, () =>
      planRefresh(sql, name, definition, { ...request, ifRunning: 'skip' }),
    )
  })
