import { beforeEach, describe, expect, test } from 'vitest'
import { readRun } from '../../../../src/record/runs/runs.ts'
import type { Result } from '../../../../src/run/call.ts'
import { create } from '../../../../src/run/create.ts'
import { drop } from '../../../../src/run/drop.ts'
import { refresh } from '../../../../src/run/refresh.ts'
import { eachCase } from '../../../support/deep.ts'
import { define } from '../../../support/record/rows.ts'
import { callOn, useDatabase } from '../../../support/servers/database.ts'
import { advanceToEnd, begin, makeGraph } from '../../../support/views/batches.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../../support/views/slow-view.ts'
import { holdLocks, whileLocked } from '../../../support/waiting/holder.ts'
import { until } from '../../../support/waiting/until.ts'
import { untilWaitingAgain } from '../../../support/waiting/waiting.ts'

const { database, sql, url } = useDatabase()

beforeEach(async () => {
  await sql.unsafe(`
    drop materialized view if exists mv cascade; drop table if exists base;
    create table base as select generate_series(1, 9) as id; create materialized view mv as select id from base`)
  await define(sql, 'public.mv', { sql: 'select id from public.base', timeout_seconds: 3600, retries: 1 })
})

const locks = {
  'an exclusive lock on the view': 'refresh materialized view mv',
  'an exclusive lock on what the view reads': 'lock table base in access exclusive mode',
}
const everything: Record<string, () => Promise<Result>> = {
  auto: () => refresh({ view: 'mv' }, callOn(database)),
  swap: () => refresh({ view: 'mv', strategy: 'swap' }, callOn(database)),
  drop: () => drop({ view: 'mv' }, callOn(database)),
  create: () => create({ view: 'mv', force: true }, callOn(database)),
}
const cases = Object.keys(locks).flatMap((lock) =>
  Object.keys(everything).map((name) => [name, lock] as const),
)

describe('a momentary lock', () => {
  eachCase(cases, { quick: 1 })('is waited for by %s: %s', async (name, lock) => {
    const result = await whileLocked(url, locks[lock as keyof typeof locks], async ({ letGo }) => {
      const work = everything[name]!()
      await untilWaitingAgain(sql, 'viewkeeper', work)
      await letGo()
      return work
    })
    expect(result.error).toBeUndefined()
    if (name === 'auto' || name === 'swap') expect(result.response.strategy).toBe('swap')
  })

  test('is waited for some seconds even if the caller does not wait', async () => {
    const { runId, response } = await whileLocked(url, 'refresh materialized view mv', async ({ letGo }) => {
      const work = refresh({ view: 'mv' }, callOn(database, { waitUntil: 0 }))
      await untilWaitingAgain(sql, 'viewkeeper', work)
      await letGo()
      return work
    })
    expect(response.strategy).toBe('swap')
    await until('the run ends', async () => (await readRun(sql, runId))?.status === 'success')
  })

  test('does not hold up the other views of a batch, and costs no attempt', async () => {
    await makeGraph(sql, 'shop', { a: [], b: [] })
    await advanceToEnd(database, await begin(database, { pattern: 'shop.*' }))
    const holder = await holdLocks(url, 'refresh materialized view shop.a')
    const batchId = await begin(database, { pattern: 'shop.*', concurrency: 1 })
    const end = advanceToEnd(database, batchId)
    const runsOf = () =>
      sql`select view_name as view, status, attempt, meta #>> '{response,strategy}' as strategy
            from viewkeeper.runs where batch_id = ${batchId} order by view_name`
    await until('the other view is refreshed', async () => (await runsOf())[0]?.status === 'success')
    expect(await runsOf()).toMatchObject([{ view: 'b' }])
    await holder.letGo()
    expect(await end).toMatchObject({ status: 'success' })
    expect(await runsOf()).toMatchObject([
      { view: 'a', status: 'success', attempt: 1, strategy: 'swap' },
      { view: 'b', status: 'success', attempt: 1, strategy: 'swap' },
    ])
  })
})

test('a lock that stays ends the attempt of a batch as LockTimeout, and names the holder', async () => {
  await define(sql, 'public.mv', { timeout_seconds: 3, retries: 0 })
  await whileLocked(url, 'refresh materialized view mv', async ({ pid }) => {
    const batchId = await begin(database, { views: ['mv'] })
    expect(await advanceToEnd(database, batchId)).toMatchObject({ status: 'failed' })
    const runs = await sql`select status, error from viewkeeper.runs where batch_id = ${batchId}`
    expect(runs).toEqual([
      {
        status: 'failed',
        error: {
          class: 'LockTimeout',
          message: expect.stringMatching(new RegExp(`public\\.mv is locked: process ${pid} \\(role `)),
        },
      },
    ])
  })
})

describe('while a run of ours holds the view', () => {
  const others = Object.keys(everything).filter((name) => name !== 'auto')
  eachCase(others, { quick: 1 })('%s is skipped, and names that run', async (name) => {
    await sql.unsafe('drop materialized view mv; drop function if exists mv_gate')
    await makeGatedView(sql, 'mv')
    await withGateClosed(sql, 'mv', async (open) => {
      const first = refresh({ view: 'mv', strategy: 'regular' }, callOn(database))
      await untilAtGate(sql, 'mv')
      const result = await everything[name]!()
      await open()
      const { runId } = await first
      expect(result).toMatchObject({
        status: 'skipped',
        error: {
          class: 'AlreadyRunning',
          message: `Run ${runId} of public.mv is still running.`,
          runningRunId: runId,
        },
      })
    })
  })
})

test.each([
  ['a lone swap', ''],
  ['a group', 'create materialized view above_filled as select id from filled'],
])(
  '%s has no lock on a view while a shadow is filled, so a rename does not wait for hours, and readers not for that',
  async (_, above) => {
    await sql`drop function if exists filled_gate cascade`
    await makeGatedView(sql, 'filled')
    await sql.unsafe(`create view plain_filled as select id from filled; ${above}`)
    await withGateClosed(sql, 'filled', async (open) => {
      const answer = refresh({ view: 'filled', strategy: 'swap' }, callOn(database))
      await untilAtGate(sql, 'filled')
      const held = await sql`
        select l.relation::regclass::text as relation, l.mode
          from pg_locks l join pg_stat_activity a using (pid)
         where a.application_name like 'viewkeeper run %' and l.relation in (
           select oid from pg_class where relkind in ('m', 'v') and relname in ('filled', 'plain_filled', 'above_filled')
              and relnamespace = 'public'::regnamespace)`
      expect(held).toEqual([])
      await open()
      expect(await answer).toMatchObject({ status: 'updated' })
    })
  },
)
