import { expect, test } from 'vitest'
import { readSlices } from '../../../src/slices/slices.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { oddQueries, oddTables } from '../../support/views/odd-queries.ts'

const { database, sql } = useDatabase()

test('a query of any grammar has an answer', async () => {
  await sql.unsafe(oddTables)
  await sql.unsafe(
    `set search_path = odd, public; ${Object.entries(oddQueries)
      .map(([name, query]) => `create materialized view odd.m_${name} as ${query}`)
      .join('; ')}; reset search_path`,
  )
  const views = (await sql`
    select oid::int8 as oid, relname::text as view from pg_class where relkind = 'm' order by relname`) as unknown as {
    oid: number
    view: string
  }[]
  const found = await database.withConnection((own) => readSlices(own, views))
  expect(found.map(({ view }) => view)).toEqual(views.map(({ view }) => view))
})
