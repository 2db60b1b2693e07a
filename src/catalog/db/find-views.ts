import type { Sql } from '../../server/database.ts'
import type { QualifiedName } from '../../words/names.ts'
import type { ViewFacts } from '../plan/live-view.ts'
import { factColumns, factsOf } from './catalog.ts'

/**
 * Reads the facts of those of these views that are plainly there: materialized views in schemas that our role may look into. One statement.
 * Returns them by their names as SQL writes them.
 */
export async function findViews(sql: Sql, names: QualifiedName[]): Promise<Map<string, ViewFacts>> {
  const rows = await sql`
    select ${factColumns(sql)}, false as logs
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      join jsonb_to_recordset(${sql.json(names.map(({ schema, name }) => ({ schema, name })))}) x(schema name, name name)
        on n.nspname = x.schema and c.relname = x.name
     where c.relkind = 'm' and c.relpersistence <> 't' and has_schema_privilege(n.oid, 'USAGE')`
  return new Map(rows.map((row) => [row.view, factsOf(row, null)]))
}
