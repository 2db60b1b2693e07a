import fc from 'fast-check'
import type { ReservedSql } from 'postgres'
import { beforeAll, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { dropLive, makeLive } from '../../../src/slices/plan/live.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { Problem } from '../../../src/words/problem.ts'
import { counts } from '../../support/counts.ts'
import { seedOf } from '../../support/seeded.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { tables } from '../../support/slices/by-hand.ts'
import { dropKept, makeKept } from '../../support/slices/kept-table.ts'
import { again, first, otherWrites, queries, writes } from '../../support/slices/random-queries.ts'

const { database, sql } = useDatabase()

beforeAll(() => sql.unsafe(`${tables}; ${first}`))

const change = fc.oneof(
  { weight: 12, arbitrary: writes },
  { weight: 4, arbitrary: otherWrites },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'truncate app.orders; insert into app.orders table app.first_orders',
      'vacuum full app.orders',
      'alter table app.orders add column if not exists more int; alter table app.orders drop column more',
    ),
  },
)
const rounds = fc.array(
  fc.record({ own: change, others: fc.tuple(change, change), refreshes: fc.boolean() }),
  {
    minLength: 4,
    maxLength: 4,
  },
)
const levels = ['read committed', 'repeatable read', 'serializable'] as const

test('live views of random queries show what the query gives in the same snapshot, beside random writers and refreshes, at each level', async () => {
  const view = { schema: 'app', name: 'tried' }
  const found = { reads: 0, told: 0, withoutLog: 0 }
  const [writer, ...readers] = await Promise.all([0, ...levels].map(() => sql.reserve()))
  /** Of two that meet, the server may end one, or refuse a value that the other has written. */
  const beside = (on: ReservedSql, change: string) =>
    on.unsafe(change).catch(async (error: { code?: string }) => {
      await on.unsafe('rollback')
      if (!['40P01', '23505', '40001', '25001', '25P02', '55P03'].includes(String(error.code))) throw error
    })
  const refreshed = () =>
    refresh({ view: 'app.tried' }, callOn(database)).catch((error: Problem) =>
      expect(error.code).toBe('CatalogChanged'),
    )
  await fc.assert(
    fc.asyncProperty(queries, rounds, async ({ query }, rounds) => {
      await sql.unsafe(
        `${dropLive(view)}; ${dropLog(view)}; ${again}; ${dropKept('app.tried')}; ${makeKept('app.tried', query)}`,
      )
      const [ids] = await sql<[{ oid: number; query: number }]>`
        select 'app.tried'::regclass::oid::int8 as oid, 'app.tried_query'::regclass::oid::int8 as query`
      const log = await planLog(sql as never, { ...ids, ...view }, 'k').catch((error) => {
        if (error instanceof Problem) return null
        throw error
      })
      if (log === null) {
        found.withoutLog++
        return
      }
      for (const statement of [...makeLog(log), makeLive(log, 'query')]) await sql.unsafe(statement)
      await refreshed()
      const logs = log.tables.map((_, at) => `viewkeeper.log_of('app', 'tried', ${at})`)
      const read = async (on: ReservedSql, level: string, context: object) => {
        const rows = await on.unsafe<{ differs: number; told: boolean }[]>(`
          select (select count(*)::int from ((table app.tried_live except all table app.tried_query) union all (table app.tried_query except all table app.tried_live)) d) as differs,
                 viewkeeper.log_tells('app.tried', 'app.tried_query', array[${logs}], 'k') as told`)
        expect({ ...context, level, ...rows[0]! }).toMatchObject({ differs: 0 })
        found.reads++
        if (rows[0]!.told) found.told++
      }
      for (const { own, others, refreshes } of rounds) {
        for (const [at, level] of levels.entries()) {
          await readers[at]!.unsafe(`begin isolation level ${level}`)
          await read(readers[at]!, level, { query, own })
        }
        const ddl = /vacuum|truncate|alter/
        // Nobody could change what readers hold.
        const [one, other] = others.map((each) => (ddl.test(each) ? 'select 1' : each)) as [string, string]
        await Promise.all([
          beside(writer!, one),
          refreshes ? refreshed() : undefined,
          read(readers[0]!, levels[0], { query, one, other }),
        ])
        for (const [at, level] of levels.entries())
          await read(readers[at]!, level, { query, own, one, refreshes })
        await beside(writer!, other)
        for (const [at, level] of levels.entries()) {
          await read(readers[at]!, level, { query, own, one, other })
          await readers[at]!.unsafe('rollback')
        }
        await writer!.unsafe('begin')
        await writer!
          .unsafe(own.replaceAll(/\b(begin|commit);?/g, '').replace(/^vacuum full/, 'table'))
          .catch(() => writer!.unsafe('rollback; begin'))
        await read(writer!, 'in the transaction of the writer', { query, own })
        await writer!.unsafe('rollback')
        await writer!.unsafe(own)
      }
    }),
    { numRuns: counts.liveQueries, seed: seedOf(1) },
  )
  for (const each of [writer!, ...readers]) each.release()
  if (process.env.SOAK === 'true') console.info(found)
  expect(found.told).toBeGreaterThan(found.reads / 10)
})
