import { describe, expect, test } from 'vitest'
import type { LiveView } from '../../../src/catalog/plan/live-view.ts'
import { liveViewQuery } from '../../../src/catalog/plan/live-view-query.ts'
import { describeViews } from '../../../src/migrate/describe.ts'
import { ensureDefinition } from '../../../src/record/definitions/definitions.ts'
import { readDependents } from '../../../src/record/definitions/look.ts'
import { resolveName } from '../../../src/run/name.ts'
import { planRefresh } from '../../../src/run/plan-refresh.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Database } from '../../../src/server/database.ts'
import { getView, listViews } from '../../../src/watch/read-views.ts'
import { counts } from '../../support/counts.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { between } from '../../support/waiting/between.ts'

const { database, sql } = useDatabase()

/** Makes a view with all that a reader shows: an index, a plain view over it, and views below and above. */
async function makeView(schema: string): Promise<string> {
  await sql.unsafe(`
    create schema ${schema};
    create materialized view ${schema}.below as select 1 as id;
    create materialized view ${schema}.v as select id, 'x' as text from ${schema}.below;
    create unique index v_key on ${schema}.v (id);
    create view ${schema}.plain as select id from ${schema}.v;
    create materialized view ${schema}.above as select id from ${schema}.plain`)
  return `${schema}.v`
}

async function swap(view: string): Promise<void> {
  const result = await refresh({ view, strategy: 'swap' }, callOn(database))
  expect(result).toMatchObject({ status: 'updated' })
}

const plan = (from: Database, view: string, strategy: 'auto' | 'concurrent' | 'swap') =>
  from.withConnection(async (connection) => {
    const name = await resolveName(connection, view)
    const definition = await ensureDefinition(connection, name)
    return planRefresh(connection, name, definition, { strategy, ifRunning: 'skip' })
  })

/** Every reader of a view, with the part of its answer that no refresh changes. */
const readers: Record<string, (from: Database, view: string) => Promise<unknown>> = {
  async getView(from, requested) {
    const { view, populated, dependsOn, neededBy, sql: text, owner, indexes } = await getView(from, requested)
    return { view, populated, dependsOn, neededBy, text, owner, indexes }
  },
  async listViews(from, requested) {
    const { views } = await listViews(from)
    const ours = views.filter(({ schema }) => `${schema}.v` === requested)
    return ours.map(({ id, view, dependsOn, neededBy }) => ({ id, view, dependsOn, neededBy }))
  },
  async planSwap(from, view) {
    const { plan: planned, response } = await plan(from, view, 'auto')
    return { response, result: planned.result }
  },
  planGroup: async (from, view) => (await plan(from, view, 'swap')).response,
  planConcurrent: async (from, view) => (await plan(from, view, 'concurrent')).response,
  describeViews: (from, view) => describeViews(from, [view]),
  readDependents: (from, view) =>
    from.withConnection(async (connection) =>
      readDependents(connection, await resolveName(connection, view)),
    ),
}

describe('a view that is exchanged between two statements of a read', () => {
  eachCase(Object.keys(readers).toReversed(), { quick: 1 })(
    'is shown by %s as if nothing had happened',
    async (name) => {
      const read = readers[name]!
      const view = await makeView(`between_${name.toLowerCase()}`)
      // What reads a view directly, and not through a plain view, is exchanged together with it.
      if (name === 'planGroup')
        await sql.unsafe(`create materialized view ${view}_too as select id from ${view}`)
      await swap(view)
      const calm = await read(database, view)
      for (let at = 0; ; at++) {
        let statements = 0
        const told = await read(
          between(database, async () => {
            if (statements++ === at) await swap(view)
          }),
          view,
        )
        expect(told, `after ${at} statements`).toEqual(calm)
        if (statements <= at) break
      }
    },
  )
})

test('a view that is exchanged all the time is shown by every reader without an error', deep, async () => {
  const view = await makeView('all_the_time')
  await swap(view)
  const failures: unknown[] = []
  const told: Record<string, number> = {}
  const most = counts.swapsUnderOwnReaders
  let over = false
  const reading = Object.entries(readers).map(async ([name, read]) => {
    while (!over) {
      await read(database, view).catch((error) => {
        // A reader that waits longer than a tenth of a second for the lock rightly gets one of these.
        if (!['LockTimeout', 'AlreadyRunning'].includes(error.code))
          failures.push([name, error.code, error.message])
      })
      told[name] = (told[name] ?? 0) + 1
    }
  })
  try {
    const isTold = () => Object.keys(readers).every((name) => (told[name] ?? 0) > most / 5)
    for (let swaps = 0; swaps < most || !isTold(); swaps++) await swap(view)
  } finally {
    over = true
    await Promise.all(reading)
  }
  expect(failures).toEqual([])
})

describe('a view that is dropped', () => {
  test('is reported as gone without another look', async () => {
    const view = await makeView('dropped')
    await getView(database, view)
    await sql`drop materialized view dropped.v cascade`
    for (const [name, read] of Object.entries(readers)) {
      if (name === 'listViews') continue
      let looks = 0
      const reading = read(
        between(database, async () => {
          looks++
        }),
        view,
      )
      await expect(reading, name).rejects.toMatchObject({ code: 'UnknownView' })
      // One look takes at most fourteen statements, with those that read all facts, who is told, who dropped it, and which view was probably meant.
      expect(looks, name).toBeLessThanOrEqual(14)
    }
  })

  test('between two statements of a read is reported as gone, or as it was', deep, async () => {
    const calm = { view: 'dropping.v', populated: true }
    const view = await makeView('dropping')
    for (let at = 0; ; at++) {
      let statements = 0
      const reading = getView(
        between(database, async () => {
          if (statements++ === at) await sql`drop materialized view dropping.v cascade`
        }),
        view,
      )
      const told = await reading.catch((error) => error)
      if (told instanceof Error) expect(told, `after ${at} statements`).toMatchObject({ code: 'UnknownView' })
      else expect(told).toMatchObject(calm)
      if (statements <= at) break
      await sql`create materialized view dropping.v as select 1 as id`
    }
  })
})

test('what is renamed after a statement has begun to read the view is read whole', async () => {
  await sql`create materialized view renamed as select 1 as id, 2 as n`
  await sql`create unique index renamed_key on renamed (id)`
  await sql`create statistics renamed_stat (ndistinct) on id, n from renamed`
  const reader = await sql.reserve()
  await reader`begin isolation level repeatable read`
  await reader`set local search_path = pg_catalog, pg_temp`
  await reader`select from pg_class limit 1`
  await sql`alter index renamed_key rename to "The longer ""name"" of a key"`
  await sql`alter statistics renamed_stat rename to "S"`
  const [row] = await reader.unsafe<{ live: LiveView }[]>(liveViewQuery(`'public.renamed'::regclass::oid`))
  await reader`commit`
  reader.release()
  expect(row?.live.indexes).toMatchObject([{ name: 'renamed_key', rest: 'USING btree (id)' }])
  expect(row?.live.statistics).toMatchObject([{ name: 'renamed_stat', middle: '(ndistinct) ON id, n' }])
})
