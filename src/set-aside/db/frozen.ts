import { readAuthoredQueries } from '../../catalog/db/definitions.ts'
import { StatementRefused } from '../../rebuild/db/statements.ts'
import type { Sql } from '../../server/connect.ts'
import { mayPass, sqlstateOf } from '../../server/failures.ts'
import { quoteName } from '../../sql/names.ts'
import { describeShadow, isSameQuery } from '../../trial/db/shadows.ts'
import type { AsideView } from '../plan/items.ts'

/** The frozen queries of views, by `viewKey`. */
export type Frozen = Map<string, string>

/** Reads the frozen query of each view that has that query, as this server reads it now. Locks nothing. */
export async function readFrozen(sql: Sql, items: AsideView[]): Promise<Frozen> {
  const frozen: Frozen = new Map()
  const views = items
  const queries = await readAuthoredQueries(
    sql,
    views.map(({ live }) => live.view),
  )
  for (const item of views) {
    const query = queries.get(quoteName(item.live.view))
    if (query !== undefined && (await hasQuery(sql, item, query))) frozen.set(viewKey(item), query)
  }
  return frozen
}

/** The items, each with the frozen query that was read for it as it is. */
export const withFrozen = (items: AsideView[], frozen: Frozen): AsideView[] =>
  items.map((item) => {
    const query = frozen.get(viewKey(item))
    return query === undefined ? item : ({ ...item, frozen: query } as AsideView)
  })

const viewKey = ({ live: { view, columns } }: AsideView): string =>
  JSON.stringify([view.schema, view.name, view.definition, columns.map(({ name, type }) => [name, type])])

async function hasQuery(sql: Sql, { live }: AsideView, query: string): Promise<boolean> {
  const { schema, name, owner } = live.view
  const definition = { schema, name, sql: query, indexes: [], comment: null, grants: [] }
  try {
    const shadow = await describeShadow(sql, definition, owner)
    const columns = (of: typeof live) =>
      JSON.stringify(of.columns.map((column) => [column.name, column.type]))
    return columns(shadow) === columns(live) && (await isSameQuery(sql, shadow, live))
  } catch (error) {
    if (!(error instanceof StatementRefused) || mayPass(sqlstateOf(error.cause))) throw error
    return false
  }
}
