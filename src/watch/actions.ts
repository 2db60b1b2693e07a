import { resolveName } from '../run/name.ts'
import { findDefinitionIdOf } from '../run/read.ts'
import type { Database } from '../server/connect.ts'
import { type Action, type ActionFilter, readActions } from './db/actions.ts'

/** A page of who did what, newest first. `next` is the `before` of the next page, null on the last page. */
export const listActions = (
  database: Database,
  { view, ...filter }: Omit<ActionFilter, 'view'> & { view?: string | undefined },
): Promise<{ actions: Action[]; next: number | null }> =>
  database.withConnection(async (sql) => {
    const name = view === undefined ? undefined : await resolveName(sql, view)
    if (view !== undefined) await findDefinitionIdOf(sql, view)
    const { rows: actions, next } = await readActions(sql, { ...filter, view: name })
    return { actions, next }
  })
