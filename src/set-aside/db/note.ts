import type { Sql } from '../../server/connect.ts'
import { mayUse } from '../../server/rights.ts'
import type { ActionName } from '../../watch/plan/actions.ts'

/** What a login does to views without the API. */
interface Act {
  action: ActionName
  requestedBy: string
  views: string[]
  /** The options. */
  request: Record<string, unknown>
}

/**
 * Records what a login did without the API, in the transaction of the deed. Records nothing in a database without the table,
 * and for a login that may not write it.
 */
export async function noteAction(sql: Sql, { action, requestedBy, views, request }: Act): Promise<void> {
  if (await mayUse(sql, 'insert', 'actions'))
    await sql`
      insert into viewkeeper.actions (action, requested_by, views, request)
      values (${action}, ${requestedBy}, ${sql.json(views)}, ${sql.json(request as never)})`
}
