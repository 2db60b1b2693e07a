import type { Sql } from '../../../src/server/database.ts'

/** Columns that the server itself keeps changing. */
// relhasindex is set in place, also by an index whose transaction is undone; the next vacuum sets it right.
const ofTheServer =
  'relhasindex,relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid,attcacheoff'

/** The catalogs that have these columns. */
const changing = new Set(['pg_class', 'pg_attribute'])

/** Catalogs, each with the column that tells whether a row is about an object of the server itself. */
const catalogs = {
  pg_class: 'oid',
  pg_attribute: 'attrelid',
  pg_attrdef: 'oid',
  pg_type: 'oid',
  pg_index: 'indexrelid',
  pg_rewrite: 'oid',
  pg_depend: 'objid',
  pg_proc: 'oid',
  pg_description: 'objoid',
  pg_statistic_ext: 'oid',
  pg_constraint: 'oid',
  pg_trigger: 'oid',
}

/**
 * Every row of the catalogs of a database, OIDs and where the data lies included, to see whether anything was left or changed.
 * The 20,000 rows about objects of the server itself are one line for each catalog: their number, and the sum of the
 * transactions that wrote them.
 */
export async function wholeCatalog(sql: Sql): Promise<Record<string, string[]>> {
  const rowsOf = (catalog: string, which: string) =>
    `select ${changing.has(catalog) ? `(to_jsonb(c) - '{${ofTheServer}}'::text[])` : 'c'}::text as row from pg_catalog.${catalog} c where ${which}`
  const texts = Object.entries(catalogs).map(
    ([catalog, oid]) => `select '${catalog}' as catalog, row from (
      ${rowsOf(catalog, `${oid} >= 16384`)}
      union all
      select concat_ws(' ', count(*), sum(xmin::text::bigint)) from pg_catalog.${catalog} where ${oid} < 16384) each`,
  )
  const schemas = `select 'pg_namespace', row from (${rowsOf('pg_namespace', 'true')}) each`
  const rows = await sql.unsafe<{ catalog: string; row: string }[]>(
    [...texts, schemas].join(' union all ').concat(' order by 1, 2'),
  )
  const found = Object.groupBy(rows, ({ catalog }) => catalog)
  return Object.fromEntries(
    Object.entries(found).map(([catalog, each]) => [catalog, (each ?? []).map(({ row }) => row)]),
  )
}
