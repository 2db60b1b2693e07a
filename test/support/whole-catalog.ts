import type { Sql } from '../../src/db/server/connect.ts'

/** Columns that the server itself keeps changing. */
// relhasindex is set in place, also by an index whose transaction is undone; the next vacuum sets it right.
const ofTheServer =
  'relhasindex,relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid,attcacheoff'

const catalogs = [
  'pg_class',
  'pg_attribute',
  'pg_attrdef',
  'pg_type',
  'pg_index',
  'pg_rewrite',
  'pg_depend',
  'pg_proc',
  'pg_namespace',
  'pg_description',
  'pg_statistic_ext',
  'pg_constraint',
  'pg_trigger',
]

/** Every row of the catalogs of a database, OIDs and where the data lies included, to see whether anything was left or changed. */
export async function wholeCatalog(sql: Sql): Promise<Record<string, string[]>> {
  const read = async (catalog: string) => {
    const rows = await sql.unsafe(
      `select (to_jsonb(c) - '{${ofTheServer}}'::text[])::text as row from pg_catalog.${catalog} c order by 1`,
    )
    return [catalog, rows.map(({ row }) => row)] as const
  }
  return Object.fromEntries(await Promise.all(catalogs.map(read)))
}
