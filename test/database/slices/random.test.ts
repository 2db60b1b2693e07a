import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { readSlices } from '../../../src/slices/slices.ts'
import { counts } from '../../support/counts.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { fillBySlices, fillWhole, tables } from '../../support/slices/by-hand.ts'
import { queries, writes } from '../../support/slices/random-queries.ts'

const { database, sql } = useDatabase()

beforeAll(() =>
  sql.unsafe(`${tables}
    create sequence app.ids start 1000; create view app.all_orders as select * from app.orders;
    create table app.first_orders as table app.orders`),
)

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
        { numRuns: counts.slicedQueries },
      ),
    { deadline: Date.now() + 3_600_000 },
  )
  own.release()
  if (process.env.SOAK === 'true') console.info(found)
  expect(found.proved).toBeGreaterThan(counts.slicedQueries)
})
