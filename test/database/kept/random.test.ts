// @module-tag deep

import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { keptMark } from '../../../src/sql/names.ts'
import { Problem } from '../../../src/words/problem.ts'
import { counts } from '../../support/counts.ts'
import { seedOf } from '../../support/seeded.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { tables } from '../../support/slices/by-hand.ts'
import { again, first, otherWrites, queries, writes } from '../../support/slices/random-queries.ts'

const { database, sql } = useDatabase()

beforeAll(() => sql.unsafe(`${tables}; ${first}`))

const change = fc.oneof(
  { weight: 6, arbitrary: writes },
  { weight: 6, arbitrary: otherWrites },
  {
    weight: 1,
    arbitrary: fc.constant('truncate app.orders; insert into app.orders table app.first_orders'),
  },
)
/** What is written before a refresh, what three writers do while it goes on, and whether somebody ends its session. */
const rounds = fc.array(
  fc.record({ first: change, meanwhile: fc.tuple(change, change, change), kills: fc.boolean() }),
  {
    minLength: 3,
    maxLength: 3,
  },
)

test('incremental tables of random queries, beside random writers, are what the whole query makes', async () => {
  const found = { bySlices: 0, joined: 0, whole: 0, withoutLog: 0, killed: 0 }
  const view = { schema: 'app', name: 'tried' }
  const writers = [await sql.reserve(), await sql.reserve(), await sql.reserve()]
  /** Of two writers that meet, the server may end one, or refuse a value that the other has written: that one changes nothing. */
  const beside = (change: string, at: number) =>
    writers[at]!.unsafe(change).catch(async (error: { code?: string }) => {
      await writers[at]!.unsafe('rollback')
      if (error.code !== '40P01' && error.code !== '23505') throw error
    })
  const refreshed = async () =>
    (await refresh({ view: 'app.tried' }, callOn(database))).response?.because ?? ''
  /** A refresh whose session is ended at any moment, unless it is over before. */
  const killed = async () => {
    let goesOn = true
    const run = refreshed()
      // A session that ends before it has recorded the run leaves nothing to answer with.
      .catch((error: Problem) => expect(error.code).toBe('DatabaseUnavailable'))
      .finally(() => {
        goesOn = false
      })
    while (goesOn) {
      const [ended] = await sql`
        select pg_terminate_backend(pid) from pg_stat_activity, pg_sleep(random() * 0.02)
         where application_name like 'viewkeeper run %' and datname = current_database()`
      if (ended) found.killed++
    }
    await run
  }
  await fc.assert(
    fc.asyncProperty(queries, rounds, async ({ query }, rounds) => {
      await sql.unsafe(`${dropLog(view)}; ${again};
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
      for (const { first, meanwhile, kills } of rounds) {
        await writers[0]!.unsafe(first)
        await Promise.all([kills ? killed() : refreshed(), ...meanwhile.map(beside)])
        const because = await refreshed()
        const [{ differs }] = await sql.unsafe<[{ differs: number }]>(
          `select count(*)::int as differs from ((table app.tried except all table app.tried_query) union all (table app.tried_query except all table app.tried)) d`,
        )
        expect({ first, meanwhile, because, differs }).toEqual({ first, meanwhile, because, differs: 0 })
        if (log === null) found.withoutLog++
        else found[/^computes \d+ (of about \d+ )?slices/.test(because) ? 'bySlices' : 'whole']++
        if (/^computes [1-9]\d* (of about \d+ )?slices.*joined tables/.test(because)) found.joined++
      }
    }),
    { numRuns: counts.slicedQueries, seed: seedOf(1) },
  )
  for (const writer of writers) writer.release()
  if (process.env.SOAK === 'true') console.info(found)
  expect(found.bySlices).toBeGreaterThan(0)
  expect(found.killed).toBeGreaterThan(0)
})
