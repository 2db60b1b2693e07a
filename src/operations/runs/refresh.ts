import { findRecentSuccess, type Trigger } from '../../db/runs/runs.ts'
import type { Sql } from '../../db/server/connect.ts'
import { readView } from '../../db/views/catalog.ts'
import { type DefinitionDefaults, ensureDefinition } from '../../db/views/definitions.ts'
import { readPause } from '../../db/views/pause.ts'
import type { RowCountStrategy, Strategy } from '../../plan/views/definition.ts'
import type { Call } from './call.ts'
import { resolveName } from './name.ts'
import { answer, operate } from './operate.ts'
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
  /** Refreshes a view that is paused, or was refreshed within its minimum interval. Default: false. */
  force?: boolean | undefined
}

/**
 * Refreshes a view: reads the facts, plans, has the server do it, and answers with the record. Without `force` a paused view
 * is skipped, and within the view's minimum interval the answer is the run that was last.
 */
export const refresh = (request: RefreshRequest, call: Call): Promise<Result> =>
  operate('refresh', request, call, async (sql, asked) => {
    const name = await resolveName(sql, request.view)
    const view = await readView(sql, name)
    const definition = await ensureDefinition(sql, view)
    const run = { ...asked, ...name, definitionId: definition.id }
    if (!request.force) {
      const pause = await pauseOf(sql, definition, call.trigger)
      if (pause !== null) return performRun(sql, call, run, async () => ({ skipBecause: pause }))
      const { id, minIntervalSeconds } = definition
      const recent = view.populated ? await findRecentSuccess(sql, id, minIntervalSeconds) : undefined
      if (recent !== undefined) return { ...(await answer(sql, recent)), coalesced: true }
    }
    return performRun(sql, call, run, () =>
      planRefresh(sql, name, definition, { ...request, ifRunning: 'skip' }),
    )
  })

/** Why nothing is to be refreshed at present; null where nothing stands against it. */
async function pauseOf(sql: Sql, { paused }: DefinitionDefaults, trigger: Trigger): Promise<string | null> {
  if (paused) return 'the view is paused'
  return trigger === 'schedule' && (await readPause(sql)) ? 'everything that is scheduled is paused' : null
}
