import type { Sql } from '../../server/connect.ts'
import { mayUse } from '../../server/rights.ts'
import type { QualifiedName } from '../../sql/names.ts'

/** A view that is set aside: since when, and which role set it aside. */
export interface AsideView extends QualifiedName {
  since: Date
  by: string
}

/**
 * The views that are set aside; none if the login may not read which, or if schema `viewkeeper` is older than the table.
 */
export const listAside = async (sql: Sql): Promise<AsideView[]> =>
  (await mayUse(sql, 'select', 'set_aside'))
    ? sql<AsideView[]>`
        select item #>> '{live,view,schema}' as schema, item #>> '{live,view,name}' as name, set_aside_at as since,
               set_aside_by::text as by
          from viewkeeper.set_aside where kind = 'view' order by 1, 2`
    : []

/** Since when a view is set aside, and what to do, as a sentence; empty if it is not. */
export async function sinceAside(sql: Sql, { schema, name }: QualifiedName): Promise<string> {
  if (!(await mayUse(sql, 'select', 'set_aside'))) return ''
  const [row] = await sql<{ since: string }[]>`
    select format('It has been set aside since %s UTC by role %I: npx viewkeeper put-back makes it again.',
                  to_char(set_aside_at at time zone 'utc', 'YYYY-MM-DD HH24:MI'), set_aside_by) as since
      from viewkeeper.set_aside
     where kind = 'view' and item #>> '{live,view,schema}' = ${schema} and item #>> '{live,view,name}' = ${name}`
  return row === undefined ? '' : row.since
}
