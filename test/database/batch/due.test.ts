import { beforeAll, describe, expect, test, vi } from 'vitest'
import { openBatch } from '../../../src/api/lambda/open-batch.ts'
import { startBatch } from '../../../src/batch/start.ts'
import type { Looks } from '../../../src/due/plan/lags.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import type { Sql } from '../../../src/server/database.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { pauseAll } from '../../../src/watch/pause.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { servedOn } from '../../support/api/served.ts'
import { age } from '../../support/record/past.ts'
import { define } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { advanceToEnd, begin } from '../../support/views/batches.ts'
import { namesByKind } from '../../support/views/wrong.ts'

const { sql, database } = useDatabase()
const looks: Looks = { everySeconds: 60 }
const quiet = { runs() {}, batches() {}, incidents() {} }

const look = async (by = looks): Promise<number> => (await lookAt(by)).due
const wrongAt = async (by = looks) => namesByKind(await lookAt(by))
const lookAt = (by = looks, on = database) =>
  monitor(on, {
    schedules: { nightly: null, views: true },
    publish: quiet,
    looks: by,
  })

let calls = 0
/** What the log line of the monitor begins: the id of the batch. */
const ring = async (requestId = `call-${calls++}`): Promise<string | null> =>
  (
    await openBatch(
      { event: { trigger: 'schedule', due: true }, requestId },
      { ...servedOn(database), looks },
    )
  ).batchId

const refreshed = async (batchId: string | null): Promise<string[]> => {
  expect(batchId).not.toBeNull()
  expect((await advanceToEnd(database, batchId as string)).status).toBe('success')
  const rows = await sql`
    select view_name as name, status from viewkeeper.runs where batch_id = ${batchId} order by id`
  return rows.map(({ name, status }) => (status === 'skipped' ? `${name} left out` : name))
}

beforeAll(async () => {
  vi.spyOn(console, 'info').mockReturnValue()
  await sql.unsafe(`
    create schema lag; create schema held;
    create table lag.t as select 1 as n;
    create materialized view lag.root as select n from lag.t;
    create materialized view lag.mid as select n from lag.root;
    create materialized view lag.top as select n from lag.mid, lag.t x(m);
    create materialized view lag.cron as select n from lag.t;
    create materialized view lag.free as select n from lag.cron;`)
  await define(sql, 'lag.top', { target_lag_seconds: 900, max_staleness_seconds: 900 })
  await define(sql, 'lag.cron', { schedule: '0 6 * * *', time_zone: 'UTC' })
})

describe('a view with a target lag', () => {
  test('is refreshed with all that it reads, in one batch, and then nothing is due', async () => {
    expect(await look()).toBe(3)
    expect(await refreshed(await ring())).toEqual(['root', 'mid', 'top'])
    expect(await look()).toBe(0)
    expect(await ring()).toBeNull()
    const [batch] =
      await sql`select trigger, requested_by as by from viewkeeper.batches order by serial desc limit 1`
    expect(batch).toEqual({ trigger: 'schedule', by: 'target lag' })
  })

  test('has no second refresh while one goes on, also if two calls come at once or one comes twice', async () => {
    await age(sql, '14 minutes', 'root', 'mid', 'top')
    const begun = (await Promise.all([ring('once'), ring('twice')])).filter((id) => id !== null)
    expect(begun).toHaveLength(1)
    expect(await look()).toBe(0)
    expect(await ring()).toBeNull()
    const [row] = await sql`select idempotency_key as key from viewkeeper.batches where id = ${begun[0]!}`
    expect(await ring(row?.key)).toBe(begun[0])
    await refreshed(begun[0]!)
  })

  test('is not refreshed while it or everything is paused, and once afterwards', async () => {
    await age(sql, '1 day', 'top')
    await pauseAll(database, true, 'somebody')
    expect([await look(), await ring()]).toEqual([0, null])
    await pauseAll(database, false, 'somebody')
    await define(sql, 'lag.top', { paused_at: sql`clock_timestamp()` as never })
    expect([await look(), await ring()]).toEqual([0, null])
    await define(sql, 'lag.top', { paused_at: null })
    expect(await refreshed(await ring())).toEqual(['top'])
    expect(await look()).toBe(0)
  })

  test('that cannot be kept is an incident before it is missed, with the lag that can', async () => {
    expect(await wrongAt()).toMatchObject({ lag: [] })
    const rarely = { everySeconds: 900 }
    expect(await wrongAt(rarely)).toMatchObject({ lag: ['lag.top'], stale: [] })
    const schedules = { nightly: null, views: true, looks: rarely }
    const { views } = await listViews(database, schedules)
    expect(views.find(({ view }) => view === 'lag.top')).toMatchObject({ lagWorksSeconds: 960 })
    const { causes } = await getWhy(database, 'lag.top', { schedules, typed: null })
    expect(causes).toContainEqual(
      expect.objectContaining({
        code: 'LagTooShort',
        text: expect.stringContaining('targetLagSeconds: 960'),
      }),
    )
    expect(await causeCodes()).toContain('LagTooShort')
    expect(await wrongAt()).toMatchObject({ lag: [] })
  })

  test('is not refreshed again and again for what is held back above, nor if it is left out', async () => {
    await sql.unsafe(`
      create table held.t as select 1 as n;
      create materialized view held.root as select n from held.t;
      create materialized view held.mid as select n from held.root;
      create materialized view held.end as select m.n from held.mid m, held.t;
      create materialized view held.only as select n from held.mid`)
    await define(sql, 'held.end', { target_lag_seconds: 900 })
    await define(sql, 'held.only', { target_lag_seconds: 900 })
    // What nobody has defined comes along, too.
    expect((await refreshed(await ring())).sort()).toEqual(['end', 'mid', 'only', 'root'])
    await define(sql, 'held.mid', { paused_at: sql`clock_timestamp()` as never })
    await age(sql, '20 minutes', 'root', 'mid', 'end', 'only')
    expect((await refreshed(await ring())).sort()).toEqual(['end', 'only left out'])
    expect([await look(), await ring()]).toEqual([0, null])
    await age(sql, '15 minutes', 'end', 'only')
    expect(await look()).toBe(2)
    await define(sql, 'held.mid', { paused_at: null })
    expect((await refreshed(await ring())).sort()).toEqual(['end', 'mid', 'only', 'root'])
    expect(await look()).toBe(0)
    await sql`drop schema held cascade`
  })

  test('needs somebody who looks', async () => {
    await age(sql, '1 day', 'top')
    expect(await look({ everySeconds: null })).toBe(0)
  })
})

/** The causes of what is not well. */
const causeCodes = async (): Promise<string[]> =>
  (
    await sql<{ code: string }[]>`
      select cause ->> 'code' as code from viewkeeper.incidents where resolved_at is null order by subject`
  ).map(({ code }) => code)

test('a view with another clock is refreshed by nothing but requests, and only if it is too old', async () => {
  await sql.unsafe('create materialized view lag.outside as select 1 as n')
  await define(sql, 'lag.outside', { schedule: 'none', target_lag_seconds: 900, in_all: false })
  await refreshed(await ring())
  const looked = await lookAt()
  expect([looked.due, namesByKind(looked).lag]).toEqual([0, []])
  const ask = async () =>
    refreshed(await begin(database, { views: ['lag.outside'], ancestors: true, onlyIfStale: true }))
  expect(await ask()).toEqual(['outside'])
  expect(await ask()).toEqual([])
  await age(sql, '14 minutes', 'outside')
  expect(await ask()).toEqual([])
  await age(sql, '2 minutes', 'outside')
  expect(await ring()).toBeNull()
  expect(await ask()).toEqual(['outside'])
  const { views } = await listViews(database, { nightly: null, views: true, looks })
  expect(views.find(({ view }) => view === 'lag.outside')).toMatchObject({ nextRun: null, schedule: 'none' })
})

describe('a view that scheduled refreshes fail too often', () => {
  const hourly = { schedule: '7 * * * *', timeZone: 'UTC' }
  const turn = async () => {
    const call = { ...callOn(database), trigger: 'schedule' as const, idempotencyKey: null }
    const { batchId } = await startBatch({ scheduled: hourly }, call)
    await advanceToEnd(database, batchId)
    const rows = await sql`
      select view_name as name, status from viewkeeper.runs where batch_id = ${batchId} order by id`
    return rows.map(({ name, status }) => `${name} ${status}`)
  }
  const ask = async () => {
    const batchId = await begin(database, { views: ['lag.bad'] })
    return (await advanceToEnd(database, batchId)).status
  }
  const why = async () => (await getWhy(database, 'lag.bad', { schedules: unscheduled, typed: null })).causes

  test('is left out of its turns, told of once with what to type, and back after a success', async () => {
    await sql.unsafe(`
      create table lag.one as select 1 as n;
      create materialized view lag.bad as select 1 / n as n from lag.one;
      create materialized view lag.reader as select n from lag.bad;
      update lag.one set n = 0`)
    const { schedule, timeZone: time_zone } = hourly
    const common = { schedule, time_zone, retries: 0, scheduled_interval_seconds: 3600 }
    await define(sql, 'lag.bad', { ...common, suspend_after_failures: 2 })
    await define(sql, 'lag.reader', common)
    // What people ask for does not count.
    expect([await ask(), await ask()]).toEqual(['failed', 'failed'])
    expect(await turn()).toEqual(['bad failed', 'reader skipped'])
    expect(await wrongAt()).toMatchObject({ suspended: [] })
    expect(await turn()).toEqual(['bad failed', 'reader skipped'])
    expect(await turn()).toEqual(['reader success'])

    let reads = 0
    const counting = new Proxy(database, {
      get: (target, name) =>
        name !== 'withConnection'
          ? Reflect.get(target, name)
          : (work: (sql: Sql) => unknown) => target.withConnection(async (sql) => work(counted(sql))),
    })
    const counted = (sql: Sql): Sql =>
      new Proxy(sql, {
        apply(target, self, args) {
          if (String(args[0]).includes('from viewkeeper.definitions d join viewkeeper.latest_runs')) reads++
          return Reflect.apply(target, self, args)
        },
      })
    expect(namesByKind(await lookAt(looks, counting)).suspended).toEqual(['lag.bad'])
    // Once to find what is wrong, and once to judge it.
    expect(reads).toBe(2)
    expect(await why()).toContainEqual(
      expect.objectContaining({
        code: 'Suspended',
        text: expect.stringContaining('failed 2 times in a row'),
        next: expect.stringContaining('refresh lag.bad'),
      }),
    )
    expect(await causeCodes()).toContain('Failed')
    expect(await wrongAt()).toMatchObject({ suspended: ['lag.bad'] })
    const { views } = await listViews(database)
    expect(views.find(({ view }) => view === 'lag.bad')?.suspendedUntil).toBeInstanceOf(Date)

    // Its time comes, and then a person mends it.
    await age(sql, '180 minutes', 'bad')
    expect(await turn()).toEqual(['bad failed', 'reader skipped'])
    await sql`update lag.one set n = 1`
    expect(await ask()).toBe('success')
    expect(await turn()).toEqual(['bad success', 'reader success'])
    expect(await wrongAt()).toMatchObject({ suspended: [] })
  })

  test('is not suspended if none of its own turns would be left out', async () => {
    await define(sql, 'lag.bad', {
      schedule: null,
      time_zone: null,
      scheduled_interval_seconds: null,
      in_all: false,
    })
    await sql`update lag.one set n = 0`
    for (let at = 0; at < 2; at++) {
      const call = { ...callOn(database), trigger: 'schedule' as const, idempotencyKey: null }
      const { batchId } = await startBatch({ views: ['lag.bad'] }, call)
      expect((await advanceToEnd(database, batchId)).status).toBe('failed')
    }
    expect(await wrongAt()).toMatchObject({ suspended: [] })
  })
})
