// @module-tag deep

import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { planLog } from '../../../src/slices/db/log.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { readSlices } from '../../../src/slices/slices.ts'
import { Problem } from '../../../src/words/problem.ts'
import { counts } from '../../support/counts.ts'
import { seedOf } from '../../support/seeded.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { fillBySlices, fillWhole, tables } from '../../support/slices/by-hand.ts'
import { fillByLog } from '../../support/slices/by-log.ts'
import { dropKept, makeKept } from '../../support/slices/kept-table.ts'
import { again, first, otherWrites, queries, writes } from '../../support/slices/random-queries.ts'

const { database, sql } = useDatabase()

beforeAll(() => sql.unsafe(`${tables}; ${first}`))

const refreshesOfEach = 8

test('refreshes by slices of random queries, after random writes, make what the whole query makes', async () => {
  const own = await sql.reserve()
  const found = { proved: 0, trapsProved: 0, refused: 0, refusedAndWrong: 0 }
  await database.withConnection(
    (asked) =>
      fc.assert(
        fc.asyncProperty(
          queries,
          fc.array(writes, { minLength: refreshesOfEach, maxLength: refreshesOfEach }),
          async ({ provable, ...sliced }, changes) => {
            await own.unsafe(`
            truncate app.orders; insert into app.orders table app.first_orders;
            drop materialized view if exists app.tried; create materialized view app.tried as ${sliced.query}`)
            const [{ oid }] = (await own`select 'app.tried'::regclass::oid::int8 as oid`) as unknown as [
              { oid: number },
            ]
            const [view] = await readSlices(asked, [{ oid, view: 'app.tried' }])
            const proof = view?.tables.find(({ table }) => table === 'app.orders')
            const proved = proof?.slices.some(({ by }) => by === 'k') ?? false
            if (provable)
              expect({ proved, because: proof?.because ?? view?.because }).toEqual({
                proved: true,
                because: null,
              })
            await fillWhole(own, sliced.query)
            let wrong = 0
            for (const change of changes) {
              const differs = await fillBySlices(own, sliced, change)
              if (proved) expect({ change, differs }).toEqual({ change, differs: 0 })
              wrong += differs
            }
            if (proved) found.proved += refreshesOfEach
            if (proved && !provable) found.trapsProved++
            if (!proved) found.refused++
            if (!proved && wrong > 0) found.refusedAndWrong++
          },
        ),
        { numRuns: counts.slicedQueries, seed: seedOf(1) },
      ),
    { deadline: Date.now() + 3_600_000 },
  )
  own.release()
  if (process.env.SOAK === 'true') console.info(found)
  expect(found.proved).toBeGreaterThan(counts.slicedQueries)
})

/** Its first two logs have no key. */
const logsWithoutKeyFirst = {
  query: `select o.code as k, o.code from app.customers c right join (app.orders o left join app.calendar k on k.day = o.day) on c.id = o.customer
           where o.customer not in (select id from app.customers where region = 'r1') union all select null, 'none' where exists (select from app.customers)`,
  by: 'k',
  key: 'code',
  provable: true,
}

test('refreshes of random queries by a change log, after random writes, make what the whole query makes', async () => {
  const own = await sql.reserve()
  const found = { bySlices: 0, computed: 0, joined: 0, whole: 0, withoutLog: 0, compared: 0 }
  const change = fc.oneof(
    { weight: 6, arbitrary: writes },
    { weight: 6, arbitrary: otherWrites },
    {
      weight: 1,
      arbitrary: fc.constant('truncate app.orders; insert into app.orders table app.first_orders'),
    },
  )
  await fc.assert(
    fc.asyncProperty(
      queries,
      fc.array(change, { minLength: refreshesOfEach, maxLength: refreshesOfEach }),
      async ({ query }, changes) => {
        const view = { schema: 'app', name: 'logged' }
        await own.unsafe(
          `${dropLog(view)}; ${dropKept('app.logged')}; ${again}; ${makeKept('app.logged', query)}`,
        )
        const [ids] = await own<[{ oid: number; query: number }]>`
          select 'app.logged'::regclass::oid::int8 as oid, 'app.logged_query'::regclass::oid::int8 as query`
        const log = await planLog(own as never, { ...ids, ...view }, 'k').catch((error) => {
          if (error instanceof Problem) return null
          throw error
        })
        if (log === null) {
          found.withoutLog++
          return
        }
        for (const statement of [...makeLog(log), 'insert into app.logged table app.logged_query'])
          await own.unsafe(statement)
        for (const change of changes) {
          await own.unsafe(change)
          const { different, anew, compared, wrong } = await fillByLog(own as never, log)
          expect({ change, different, wrong }).toEqual({ change, different: 0, wrong: 0 })
          found.compared += compared
          found[anew === null ? 'whole' : 'bySlices']++
          if (anew && !change.includes('app.orders')) found.joined++
          if (anew && log.tables.some(({ key }) => key?.computed)) found.computed++
        }
      },
    ),
    {
      numRuns: counts.slicedQueries,
      seed: seedOf(1),
      examples: [
        [logsWithoutKeyFirst, Array(refreshesOfEach).fill('update app.orders set amount = amount + 1')],
      ],
    },
  )
  own.release()
  if (process.env.SOAK === 'true') console.info(found)
  expect(found.bySlices).toBeGreaterThan(0)
  expect(found.computed).toBeGreaterThan(0)
  expect(found.compared).toBeGreaterThan(0)
})
