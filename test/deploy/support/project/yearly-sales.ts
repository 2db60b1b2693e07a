import assert from 'node:assert/strict'
import type { Sql } from 'postgres'

/** The file of `views/` that defines `reports.yearly_sales`, with these columns beside the year. */
export const yearlySales = (...columns: string[]): string => `import { defineView } from 'viewkeeper'

export default defineView({
  schema: 'reports',
  name: 'yearly_sales',
  query: \`
    select extract(year from day)::integer as year,
           ${columns.join(',\n           ')}
      from public.sale
     group by 1\`,
  uniqueKey: ['year'],
  grants: [{ privileges: ['select'], to: 'owner_of_sales' }],
})
`

/** Insists on the view's columns, on rows in it, and on what is written down about its last migration. */
export async function assertYearlySales(
  sql: Sql,
  expected: { columns: string; migrations: string[]; trigger: 'deploy' | 'cli' },
): Promise<void> {
  const [view] = await sql`
    select string_agg(attname, ', ' order by attnum) as columns from pg_attribute
     where attrelid = 'reports.yearly_sales'::regclass and attnum > 0 and not attisdropped`
  const migrations = await sql`
    select name from viewkeeper.migrations where name like '%_yearly_sales' order by number`
  const [last] = await sql`
    select d.source, r.trigger, r.status
      from viewkeeper.definitions d join viewkeeper.runs r on r.definition_id = d.id
     where d.schema_name = 'reports' and d.name = 'yearly_sales' and r.trigger <> 'batch'
     order by r.id desc limit 1`
  assert.deepEqual(
    { ...view, migrations: migrations.map(({ name }) => name), ...last },
    { ...expected, source: 'authored', status: 'success' },
  )
  assert.ok((await sql`select from reports.yearly_sales where amount > 0`).length > 0)
}

/** Makes a plain view of it, of another owner, for somebody who has nothing else. */
export const addReader = (sql: Sql): Promise<unknown> =>
  sql.unsafe(`
    create view reports.best_year as select year from reports.yearly_sales order by amount desc limit 1;
    alter view reports.best_year owner to owner_of_sales;
    grant select on reports.best_year to reader;`)

/** Insists that the reader reads what they did, by the rights of the plain view's owner. */
export async function assertReader(sql: Sql): Promise<void> {
  const read = await sql.begin(async (part) => {
    await part`set local role reader`
    return part`select year from reports.best_year`
  })
  assert.deepEqual(
    read.map(({ year }) => year),
    [2026],
  )
}
