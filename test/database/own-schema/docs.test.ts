import { readdirSync, readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { useDatabase } from '../../support/servers/database.ts'

const docs = new URL('../../../docs/', import.meta.url)

/** The queries that a page writes out: in blocks of SQL, or in a line of code that ends as a statement. */
function queriesOf(page: string): string[] {
  const text = readFileSync(new URL(page, docs), 'utf8')
  const blocks = [...text.matchAll(/^ *```sql\n(.*?)```/gms)].flatMap(([, sql = '']) =>
    sql.replaceAll(/--.*$/gm, '').split(';'),
  )
  const lines = [...text.matchAll(/`([^`\n]+);`/g)].map(([, sql = '']) => sql)
  return [...blocks, ...lines].map((sql) => sql.trim()).filter((sql) => sql.startsWith('select'))
}

const queries = readdirSync(docs)
  .filter((page) => page.endsWith('.md'))
  .flatMap((page) => queriesOf(page).map((query) => ({ page, query })))

const { sql } = useDatabase()

beforeAll(async () => {
  await sql`create schema app`
  await sql`create materialized view app.sales as select 1 as id`
})

test.each(queries)('docs/$page has a query that the server plans: $query', async ({ query }) => {
  await sql.unsafe(`explain ${query}`)
})

test('the docs have queries to plan', () => {
  expect(queries.length).toBeGreaterThan(10)
})
