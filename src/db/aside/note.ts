import type { ActionName } from '../../plan/actions.ts'
import type { Sql } from '../server/connect.ts'

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
  const [row] = await sql<{ may: boolean }[]>`
    select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                    where n.nspname = 'viewkeeper' and c.relname = 'actions'
                      and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'insert')) as may`
  if (row?.may)
    await sql`
      insert into viewkeeper.actions (action, requested_by, views, request)
      values (${action}, ${requestedBy}, ${sql.json(views)}, ${sql.json(request as never)})`
}
