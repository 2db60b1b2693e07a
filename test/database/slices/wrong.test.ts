import { beforeAll, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { readView } from '../../../src/record/definitions/look.ts'
import type { Mark } from '../../../src/record/plan/slice-marks.ts'
import { viewFacts } from '../../../src/resources/views.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { getView, listViews } from '../../../src/watch/read-views.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { deleteRows, emptyTables, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { dropKept, makeKept } from '../../support/slices/kept-table.ts'

const { database, sql } = useDatabase()
const view = { schema: 'app', name: 'daily' }

beforeAll(() => sql`create schema app`)

/** Makes a view with a log, of this query over orders, and refreshes it until the log tells what to compute. */
async function make(query: string): Promise<void> {
  await emptyTables(sql, 'definitions')
  await deleteRows(sql, 'switches', { key: 'wrong slices' })
  await sql.unsafe(`
    drop schema app cascade; create schema app;
    create table app.orders (id int, day date, amount int, price float8, rate numeric);
    create table app.calendar (day date, since int);
    insert into app.orders select i, case when i % 40 > 0 then date '2026-11-01' + i % 10 end, i, case when i < 90 then 1e17 else 7.7 end, i * 0.10 from generate_series(1, 400) i;
    ${makeKept('app.daily', query)}`)
  await makeTheLog()
  await refreshed()
}

async function makeTheLog(): Promise<void> {
  for (const statement of makeLog(await theLog())) await sql.unsafe(statement)
}

const theLog = () => database.withConnection(async (own) => planLog(own, await readView(own, view), 'day'))

async function refreshed() {
  const { status, error, response, runId } = await refresh({ view: 'app.daily' }, callOn(database))
  expect([status, error]).toEqual(['updated', undefined])
  return { runId, because: response.because, slices: (response as { slices?: Partial<Mark> }).slices }
}

/** The refresh of all slices that is due once a day. */
async function refreshedOnceADay() {
  const meta = sql`jsonb_set(meta, '{response,slices,wholeAt}', to_jsonb(now() - interval '25 hours'))`
  await updateRows(sql, 'runs', { id: sql`(select max(id) from viewkeeper.runs)` }, { meta })
  return refreshed()
}

/** Changes an order, and takes the change out of the log. */
async function changeUnheard(change: string): Promise<void> {
  await sql.begin((own) =>
    own.unsafe(`${change}; delete from viewkeeper_logs."app.daily_0" where at = pg_current_xact_id()`),
  )
}

const incidents = async () => (await listViews(database, unscheduled)).views.map(({ incident }) => incident)
const look = () => monitor(database, { schedules: unscheduled, publish: unheard, people: null })

describe('a refresh of all slices that is due once a day', () => {
  const totals = 'select day, count(*) as n, sum(amount) as total from app.orders group by day'

  test('compares those that no change has touched, also while others write', async () => {
    await make(totals)
    await sql`update app.orders set amount = amount + 1 where day = '2026-11-03'`
    expect((await refreshed()).slices).toMatchObject({ anew: 1, of: 11 })
    await sql`update app.orders set amount = amount + 1 where day = '2026-11-04' or day is null`
    const { because, slices } = await refreshedOnceADay()
    expect(because).toBe(
      'computes all of about 11 slices of day anew: once a day all are; of 9 slices that no change has touched, 0 differed; 4 rows written',
    )
    expect(slices).toMatchObject({ of: 11, compared: 9, wrong: 0 })
    expect(slices).not.toHaveProperty('anew')
  })

  eachCase(
    [
      ['a row is gone', "delete from app.orders where day = '2026-11-05' and id < 20", 1],
      [
        'a slice is gone, and one is new',
        "update app.orders set day = '2026-12-24' where day = '2026-11-05'",
        2,
      ],
      ['the slice of nulls has another sum', 'update app.orders set amount = 0 where day is null', 1],
    ],
    { quick: 2 },
  )('finds what the log does not name: %s', async (_, change, wrong) => {
    await make(totals)
    await changeUnheard(change)
    await sql`update app.orders set amount = amount + 1 where day = '2026-11-03'`
    expect((await refreshed()).slices).toMatchObject({ anew: 1 })
    expect((await refreshedOnceADay()).slices).toMatchObject({ wrong })
    expect(
      await sql`(table app.daily except table app.daily_query) union all (table app.daily_query except table app.daily)`,
    ).toEqual([])
  })

  const byHand = (statements: string) =>
    sql.begin((own) => own.unsafe(`${statements}; select pg_stat_force_next_flush()`))

  eachCase(
    [
      ['an update', "update app.daily set n = 0 where day = '2026-11-05'"],
      ['a delete', "delete from app.daily where day = '2026-11-05'"],
      ['a row', "insert into app.daily values ('2027-01-01', 1, 1)"],
    ],
    { quick: 2 },
  )('corrects what others have written, and goes on to believe the log: %s', async (_, statement) => {
    await make(totals)
    await refreshed()
    await sql`update app.orders set amount = amount + 1 where day = '2026-11-03'`
    await refreshed()
    await byHand(statement)
    await refreshed()
    expect((await refreshedOnceADay()).because).toMatch(
      /, 1 differed; others had written 1 of its rows; \d rows? written$/,
    )
    await sql`update app.orders set amount = amount + 1 where day = '2026-11-03'`
    expect((await refreshed()).slices).toMatchObject({ anew: 1 })
    await changeUnheard("update app.orders set amount = 0 where day = '2026-11-05'")
    await refreshed()
    expect((await refreshedOnceADay()).because).toMatch(/, 1 differed; \d rows? written$/)
    expect((await refreshed()).because).toContain('nobody believes it')
  })

  test('is made, too, after the clock of the server was set back', async () => {
    await make(totals)
    const meta = sql`jsonb_set(meta, '{response,slices,wholeAt}', to_jsonb(now() + interval '1 year'))`
    await updateRows(sql, 'runs', { id: sql`(select max(id) from viewkeeper.runs)` }, { meta })
    expect((await refreshed()).because).toMatch(
      /^computes all of about 11 slices of day anew: once a day all are/,
    )
    expect((await refreshed()).because).toMatch(/^computes 0 of about 11 slices of day anew/)
  })

  test('that finds some is told by lists, mails and events, and no log is believed until it is made anew', async () => {
    await make(totals)
    await look()
    await changeUnheard("update app.orders set amount = 0 where day = '2026-11-05'")
    await refreshed()
    await look()
    expect(await incidents()).toEqual([null])
    const found = await refreshedOnceADay()
    expect(found.because).toMatch(/; of 11 slices that no change has touched, 1 differed; 2 rows written$/)
    const why = `run ${found.runId} found 1 of them wrong that the log had not named, so nobody believes it until it is dropped and made anew`
    for (const _ of [1, 2])
      expect((await refreshed()).because).toBe(
        `computes all of about 11 slices of day anew: ${why}; 0 rows written`,
      )
    const { incidents: kinds } = await look()
    expect(kinds).toMatchObject([{ kind: 'wrong', name: 'app.daily' }])
    expect(await incidents()).toEqual([
      expect.objectContaining({
        kinds: ['wrong'],
        culprit: 'app.daily',
        code: 'WrongSlices',
        text: `Run ${found.runId} computed all of app.daily, and found 1 of 11 slices wrong that no change had touched: its change log had missed some. Its refreshes compute all slices until the log is made anew.`,
        next: "viewkeeper freeze app.daily -m 'a new log'",
      }),
    ])
    await sql.unsafe(dropLog(view))
    await look()
    expect(await incidents()).toEqual([null])
    await makeTheLog()
    expect((await refreshed()).because).toMatch(/^computes all of about 11 slices of day anew: /)
    expect((await refreshed()).because).toMatch(/^computes 0 of about 11 slices of day anew/)
  })

  test('is made instead of one by slices, if two of no more slices took longer than all', deep, async () => {
    await make(totals)
    const touch = (days: number) =>
      sql`update app.orders set amount = amount + 1 where day <= date '2026-11-01' + ${days - 1}::int`
    const touched = async (days: number) => {
      await touch(days)
      return refreshed()
    }
    const meta = sql`jsonb_set(meta, '{response,fillMs}', '90000')`
    for (const days of [3, 4]) await updateRows(sql, 'runs', { id: (await touched(days)).runId }, { meta })
    expect((await touched(3)).slices).toMatchObject({ anew: 3 })
    const { slices, because } = await touched(4)
    expect(slices).not.toHaveProperty('anew')
    expect(because).toMatch(/^computes all of about 11 slices of day anew, those that changes have touched/)
    expect(await sql`table viewkeeper_logs."app.daily_0"`).toEqual([])
    expect(
      await sql`(table app.daily except table app.daily_query) union all (table app.daily_query except table app.daily)`,
    ).toEqual([])
  })

  test(
    'is slow against what computed all slices before, and not against refreshes that computed some',
    deep,
    async () => {
      await make(totals)
      for (const _ of [1, 2, 3]) await refreshed()
      await look()
      const { runId, slices } = await refreshedOnceADay()
      expect(slices?.wholeMs).toEqual(expect.any(Number))
      const usualIs = (ms: number) => {
        const meta = sql`jsonb_set(jsonb_set(meta, '{response,fillMs}', '60000'), '{response,slices,wholeMs}', to_jsonb(${ms}::int))`
        return updateRows(sql, 'runs', { id: runId }, { durationMs: 60_000, publishedAt: null, meta })
      }
      await usualIs(40_000)
      expect(await look()).toMatchObject({ incidents: [] })
      await usualIs(20_000)
      expect(await look()).toMatchObject({ incidents: [{ kind: 'slow', name: 'app.daily' }] })
    },
  )

  test('is made at once of so many touched slices as have taken longer twice than all, whatever the columns beside the key are called', async () => {
    await make('select id as day, amount as t, amount as k, amount as q, amount as o from app.orders')
    const touched = async (ids: number) => {
      await sql`update app.orders set amount = amount + 1 where id <= ${ids}`
      return (await refreshed()).slices
    }
    const all = (await sql`select count(*)::int as n from app.orders`)[0]!.n
    expect(await touched(all)).toMatchObject({ anew: all })
    expect(await touched(119)).toMatchObject({ anew: 119 })
    const took = sql`jsonb_set(meta, '{response,fillMs}', '600000')`
    await updateRows(sql, 'runs', {}, { meta: took })
    expect(await touched(118)).toMatchObject({ anew: 118 })
    await updateRows(sql, 'runs', {}, { meta: took })
    expect(await touched(119)).not.toHaveProperty('anew')
  })

  test(
    'compares no column whose values may differ without a mistake, else how many rows there are, unless that is not certain',
    deep,
    async () => {
      await make('select day, sum(price) as sum, count(*) as n from app.orders group by day')
      // The same rows, summed up in another order.
      await changeUnheard(
        'create table app.kept as table app.orders; delete from app.orders; insert into app.orders select * from app.kept order by amount desc',
      )
      const before = await sql`select day, sum from app.daily order by 1`
      expect((await refreshedOnceADay()).slices).toMatchObject({ compared: 11, wrong: 0 })
      expect(await sql`select day, sum from app.daily order by 1`).not.toEqual(before)

      await make('select day, sum(price) as sum from app.orders group by day')
      await changeUnheard("update app.orders set day = '2026-12-24' where day = '2026-11-05'")
      expect((await refreshedOnceADay()).slices).toMatchObject({ compared: 12, wrong: 2 })

      await make('select distinct on (day) day, sum(price) over (partition by day) as sum from app.orders')
      const { slices, because } = await refreshedOnceADay()
      expect(slices).not.toHaveProperty('compared')
      expect(because).toContain('none can be compared, because its query does not tell which rows there are')
      const note =
        'the daily refresh cannot check it, because the query of the view does not tell which rows there are'
      const shown = async () => {
        const found = await getView(database, 'app.daily')
        return viewFacts(found as never, new Date()).find(([label]) => label === 'change log')?.[1]
      }
      expect(await shown()).toBe(`0 B: ${note}`)
      await sql`alter table app.orders disable trigger "app.daily_0_update"`
      expect(await shown()).toContain('it is not used: app.orders has no trigger that tells each update')
      await make(totals)
      expect(await shown()).toBe('0 B')
    },
  )
})

describe('a column is compared if two computations of the same rows make the same values:', () => {
  beforeAll(() => make('select day, count(*) as n from app.orders group by day'))
  const orders = 'from app.orders'
  test.each([
    [`select day, count(*) as a, sum(amount) as b, avg(rate) as c ${orders} group by day`, 'a b c'],
    [
      `select day, min(id) as a, max(rate) as b, max(price) as c, array_agg(id) as d ${orders} group by day`,
      'a',
    ],
    [`select day, id as a, rate as b, price as c, (price * 2)::int as d ${orders}`, 'a b d'],
    [
      `select day, sum(price)::int as a, (sum(price) + 1)::text as b, count(*) as c ${orders} group by day`,
      'c',
    ],
    [
      `select day, string_agg(id::text, ',') as a, string_agg(id::text, ',' order by id) as b, bool_or(id > 3) as c ${orders} group by day`,
      'c',
    ],
    [
      `select day, id as a, row_number() over (partition by day) as b, sum(amount) over (partition by day order by rate) as c ${orders}`,
      'a',
    ],
    [
      `select day, a, b from (select day, sum(price)::int as a, sum(amount) as b ${orders} group by day) q`,
      'b',
    ],
    [
      `with q as (select day, sum(price)::int as a, sum(amount) as b ${orders} group by day) select day, q.a, q.b, c.since as c from q left join app.calendar c using (day)`,
      'b c',
    ],
    [
      `select day, id as a, id + 1 as b ${orders} union all select day, id, (sum(price))::int ${orders} group by day, id`,
      'a',
    ],
    [
      `select day, id as a, id + 1 as b ${orders} union select day, id, (sum(price))::int ${orders} group by day, id`,
      null,
    ],
    [`select day, id as a ${orders} union select day, amount ${orders}`, 'a'],
    [`select distinct day, id as a ${orders}`, 'a'],
    [`select distinct day, rate as a, id as b ${orders}`, null],
    [`select distinct on (day) day, id as a ${orders}`, null],
    [`select day, rate as a, count(*) as b ${orders} group by day, rate`, null],
    [`select day, count(*) as a ${orders} group by day having sum(price) > 3`, null],
    [`select day, count(*) as a ${orders} group by day having sum(amount) > 3`, 'a'],
    [
      `select day, n as a from (select day, sum(price) as s, count(*) as n ${orders} group by day) q where s > 3`,
      null,
    ],
    [`select day, (select max(x) from generate_series(1, id) x) as a, id as b ${orders}`, 'b'],
    [`select day, x as a, id as b ${orders}, generate_series(1, id) x`, 'a b'],
    [`select day, generate_series(1, id) as a, id as b ${orders}`, 'a b'],
    [`select day, x as a, id as b ${orders}, lateral (select id + 1 as x) q`, 'b'],
    [`select day, id as a, interval '1 day' * id as b, '{}'::jsonb as c, array[id] as d ${orders}`, 'a'],
    [
      `select day, name as a, lower(name) as b from (select day, case when id > 3 then 'one' else 'two' end as name ${orders}) q`,
      'a b',
    ],
  ])('%s', async (query, compared) => {
    await sql.unsafe(`${dropKept('app.daily')}; ${makeKept('app.daily', query)}`)
    const { exact } = await theLog()
    expect(exact?.join(' ') ?? null).toBe(compared)
  })
})
