// @module-tag deep

import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  nodeIn,
  nodesIn,
  parseTree,
  type Tree,
  type TreeNode,
  textIn,
} from '../../../src/slices/plan/node-tree.ts'
import { readSlices } from '../../../src/slices/slices.ts'
import { quoteIdentifier } from '../../../src/sql/names.ts'
import { seedOf } from '../../support/seeded.ts'
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

test('an expression of any depth, and a list of any length, have an answer', async () => {
  await sql.unsafe(`
    create table public.deep (id int, t text);
    create materialized view public.deep_text as select id, ${Array(3000).fill('t').join(' || ')} as long from public.deep;
    create materialized view public.long_list as select id from public.deep where id in (${[...Array(20_000).keys()].join()}) with no data`)
  const views = (await sql`
    select c.oid::int8 as oid, relname::text as view from pg_class c where relname in ('deep_text', 'long_list') order by 2`) as unknown as {
    oid: number
    view: string
  }[]
  expect(await database.withConnection((own) => readSlices(own, views))).toEqual(
    views.map(({ view }) => ({
      view,
      because: null,
      tables: [
        {
          table: 'public.deep',
          slices: [{ by: 'id', column: 'id', bySettings: false, isColumn: true, sql: '%s' }],
          because: null,
        },
      ],
    })),
  )
})

test('names of any characters are read as they are, in fields and in lists', async () => {
  const unit = fc.constantFrom(...'a1 :<>"+-\\(){}[]\t\n\r\f\v\u0085\u00a0\u2028\u3000\ufeffä')
  const some = fc.sample(fc.string({ unit, minLength: 1, maxLength: 16 }), { numRuns: 300, seed: seedOf(62) })
  const names = [...new Set(some)]
  await sql.unsafe(`
    create view public.named as select q.* from (select ${names.map((name) => `1 as ${quoteIdentifier(name)}`).join()}) q`)
  const [row] = await sql<{ tree: string }[]>`
    select ev_action::text as tree from pg_rewrite where ev_class = 'public.named'::regclass`
  const [query] = parseTree(row!.tree) as [TreeNode]
  expect(nodesIn(query, 'targetList').map((entry) => textIn(entry, 'resname'))).toEqual(names)
  const columns: Tree[] = nodesIn(query, 'rtable').map((entry) => nodeIn(entry, 'eref')!.fields.colnames!)
  expect(columns).toContainEqual(names)
})
