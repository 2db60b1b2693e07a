import { readOwner } from '../catalog/db/owner.ts'
import type { LiveView } from '../catalog/plan/live-view.ts'
import { StatementRefused } from '../rebuild/db/statements.ts'
import type { Sql } from '../server/connect.ts'
import { sqlstateOf } from '../server/failures.ts'
import { readShadow } from '../set-aside/db/trial.ts'
import type { FrozenChange } from './plan/frozen.ts'
import { definitionAsLive, driftOf } from './plan/way-back.ts'

/** The way back of a migration that is about to be frozen. */
export interface WayBack {
  /** What the down file does. */
  change: FrozenChange
  /** Why the server refuses the definition that was frozen before; `change` makes the view as it is now instead. */
  instead: string | null
  /** How the view differs from the definition that was frozen before: the up migration overwrites this. */
  drift: string[]
  /** Why the down migration does not work in this database as it is now; null if it works. */
  blocked: string | null
}

/**
 * Finds the way back to `before`, the view as it is now. That is the definition that was frozen before. If the server
 * refuses this definition, because a table or a view that it reads was changed, the way back is the view as it is now; if
 * there is none, the way back drops the view.
 */
export async function findWayBack(sql: Sql, frozen: FrozenChange, before: LiveView | null): Promise<WayBack> {
  const found: WayBack = { change: frozen, instead: null, drift: [], blocked: null }
  if (frozen.does !== 'define') return found
  const { definition } = frozen
  try {
    const owner = before?.view.owner ?? (await readOwner(sql, definition.owner))
    const shadow = await readShadow(sql, definition, owner, before ?? undefined)
    return { ...found, drift: before === null ? [] : driftOf(before, shadow, definition.owner) }
  } catch (error) {
    if (!(error instanceof StatementRefused)) throw error
    const sqlstate = sqlstateOf(error.cause)
    // A missing right says nothing about the definition: trying the migration tells what is missing.
    if (sqlstate === '42501') return found
    const { schema, name } = definition
    return {
      ...found,
      change:
        before === null
          ? { does: 'drop', view: { schema, name } }
          : { does: 'define', definition: definitionAsLive(definition, before) },
      instead: `${error.message} (${sqlstate ?? 'no SQLSTATE'})`,
    }
  }
}
