// @module-tag deep

import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { keptMark } from '../../../src/sql/names.ts'
import { Problem } from '../../../src/words/problem.ts'
import { counts } from '../../support/counts.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { tables } from '../../support/slices/by-hand.ts'
import { queries, writes } from '../../support/slices/random-queries.ts'

const { database, sql } = useDatabase()

beforeAll(() =>
  sql.unsafe(`${tables}
    create sequence app.ids start 1000; create view app.all_orders as select * from app.orders;
    create table app.first_orders as table app.orders`),
)

const others = [
  'update app.customers set since = since + 1 where id = 2',
  'truncate app.orders; insert into app.orders table app.first_orders',
]
/** What two writers do while one refresh goes on, and before the next one. */
const changes = fc.array(
  fc.oneof({ weight: 12, arbitrary: writes }, { weight: 1, arbitrary: fc.constantFrom(...others) }),
  { minLength: 3, maxLength: 3 },
)

test('kept tables of random queries, beside random writers, are what the whole query makes', async () => {
  const found = { bySlices: 0, whole: 0, withoutLog: 0 }
  const view = { schema: 'app', name: 'tried' }
  const [one, other] = [await sql.reserve(), await sql.reserve()]
  /** Of two writers that meet, the server may end one, which changes nothing then. */
  const beside = async (writer: typeof one, change: string) =>
    writer.unsafe(change).catch((error: { code?: string }) => {
      if (error.code !== '40P01') throw error
    })
  const refreshed = async () =>
    (await refresh({ view: 'app.tried' }, callOn(database))).response?.because ?? ''
  await fc.assert(
    fc.asyncProperty(
      queries,
      fc.array(changes, { minLength: 3, maxLength: 3 }),
      async ({ query }, rounds) => {
        await sql.unsafe(`${dropLog(view)};
        drop table if exists app.tried; drop view if exists app.tried_query cascade; create view app.tried_query as ${query};
        comment on view app.tried_query is '${keptMark}'; create table app.tried as select * from app.tried_query with no data`)
        const [row] = await sql<[{ oid: number; query: number }]>`
        select 'app.tried'::regclass::oid::int8 as oid, 'app.tried_query'::regclass::oid::int8 as query`
        const log = await planLog(sql as never, { ...row, ...view }, 'k').catch((error) => {
          if (error instanceof Problem) return null
          throw error
        })
        for (const statement of log === null ? [] : makeLog(log)) await sql.unsafe(statement)
        await refreshed()
        for (const [first = '', second = '', third = ''] of rounds) {
          await one.unsafe(first)
          await Promise.all([refreshed(), beside(one, second), beside(other, third)])
          const because = await refreshed()
          const [{ differs }] = await sql.unsafe<[{ differs: number }]>(
            `select count(*)::int as differs from ((table app.tried except all table app.tried_query) union all (table app.tried_query except all table app.tried)) d`,
          )
          expect({ first, second, third, because, differs }).toEqual({
            first,
            second,
            third,
            because,
            differs: 0,
          })
          if (log === null) found.withoutLog++
          else found[/^computes \d+ (of about \d+ )?slices/.test(because) ? 'bySlices' : 'whole']++
        }
      },
    ),
    { numRuns: counts.slicedQueries },
  )
  for (const writer of [one, other]) writer.release()
  if (process.env.SOAK === 'true') console.info(found)
  expect(found.bySlices).toBeGreaterThan(0)
})
