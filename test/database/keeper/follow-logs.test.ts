import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { makeAdvancer } from '../../../src/keeper/advancer.ts'
import { keepFresh } from '../../../src/keeper/keep-fresh.ts'
import { keeperOf, silent } from '../../../src/keeper/keeper.ts'
import { termsOf } from '../../../src/keeper/terms.ts'
import { readBehindLogs } from '../../../src/record/definitions/behind-logs.ts'
import { refresh } from '../../../src/run/refresh.ts'
import type { Database } from '../../../src/server/database.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { planLog } from '../../../src/slices/slices.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { pauseAll, pauseView } from '../../../src/watch/pause.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { unheard } from '../../support/aws/publisher.ts'
import { age } from '../../support/record/past.ts'
import { define, emptyTables } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { makeKept } from '../../support/slices/kept-table.ts'
import { until } from '../../support/waiting/until.ts'

const { sql, database, as } = useDatabase()

/** Incremental tables with logs and target lags of one second: `daily` of table `orders`, and `other` of table `events`. */
beforeEach(async () => {
  await emptyTables(sql, 'runs', 'definitions', 'switches', 'incidents')
  await sql.unsafe(`
    drop schema if exists app, viewkeeper_logs cascade; create schema app;
    create table app.orders (day int, amount int); create table app.events (day int, amount int);
    ${makeKept('app.daily', 'select day, sum(100 / amount) as parts from app.orders group by day')}; create unique index on app.daily (day);
    ${makeKept('app.other', 'select day, count(*) as n from app.events group by day')}; create unique index on app.other (day)`)
  for (const name of ['daily', 'other']) await makeItsLog(name)
})

/** Makes the log of an incremental table, and refreshes it. */
async function makeItsLog(name: string) {
  await makeOnlyItsLog(name)
  const columns = { target_lag_seconds: 1, storage: 'table', slices: { by: 'day' }, retries: 0 }
  await define(sql, `app.${name}`, columns)
  expect(await refresh({ view: `app.${name}` }, callOn(database))).toMatchObject({ status: 'updated' })
}

async function makeOnlyItsLog(name: string) {
  const [{ oid, query }] = await sql<[{ oid: number; query: number }]>`
      select ${`app.${name}`}::regclass::oid::int8 as oid, ${`app.${name}_query`}::regclass::oid::int8 as query`
  for (const statement of makeLog(await planLog(sql, { oid, query, schema: 'app', name })))
    await sql.unsafe(statement)
}

/** Keeps views fresh as the leader does, without its monitor, until the test ends. */
function follow(): void {
  const stop = new AbortController()
  const { signal } = stop
  const terms = { ...termsOf({ schedules: { nightly: false } }), monitorEveryMs: null }
  const advancer = makeAdvancer(database, { logger: silent, signal })
  const done = keepFresh(
    { ...terms, database, logger: silent, advancer, programs: null, told: false },
    { ask: (query) => database.withConnection(query), signal, hasSlept: false },
  )
  onTestFinished(async () => {
    stop.abort()
    await done
  })
}

const write = (table: string, day: number, amount = 1) =>
  sql.unsafe(`insert into app.${table} values (${day}, ${amount})`)
const shows = (view: string, day: number) =>
  until(`app.${view} shows day ${day}`, async () => {
    const rows = await sql.unsafe(`select from app.${view} where day = ${day}`)
    return rows.length > 0
  })
/** The other view follows so many writes: the logs have been asked meanwhile. */
async function followsOther(from: number, times = 3) {
  for (let day = from; day < from + times; day++) {
    await write('events', day)
    await shows('other', day)
  }
}
const askLogs = (on = database) => on.withConnection((asked) => readBehindLogs(asked, 120, false))
const runsOf = (view: string) =>
  sql`select status, trigger, requested_by, batch_id from viewkeeper.runs where view_name = ${view} and trigger <> 'http' order by id`
const followed = { status: 'success', trigger: 'schedule', requested_by: 'target lag', batch_id: null }

describe('an incremental table with a target lag of a second', () => {
  test('follows a write without a look of the monitor, and has no run while its log is empty', async () => {
    follow()
    await write('orders', 1)
    await shows('daily', 1)
    expect(await runsOf('daily')).toEqual([followed])
    expect(await runsOf('other')).toEqual([])
    await followsOther(1)
    expect(await runsOf('daily')).toEqual([followed])
    expect((await runsOf('other')).length).toBeGreaterThanOrEqual(3)
    expect(await sql`table viewkeeper_logs."app.other_0"`).toEqual([])
  })

  test('shows that a partition was dropped or detached, which writes no row into a log, and is not refreshed for it twice', async () => {
    await sql.unsafe(`
      create table app.sales (day int, amount int) partition by list (day); ${[1, 2, 3].map((day) => `create table app.sales_${day} partition of app.sales for values in (${day})`).join('; ')};
      insert into app.sales values (1, 1), (2, 1), (3, 1);
      ${makeKept('app.sold', 'select day, count(*) as n from app.sales group by day')}`)
    await makeItsLog('sold')
    follow()
    const days = async () => (await sql`select array_agg(day order by day) as days from app.sold`)[0]?.days
    for (const [change, left] of [
      ['drop table app.sales_1', [2, 3]],
      ['alter table app.sales detach partition app.sales_2', [3]],
    ] as const) {
      await sql.unsafe(change)
      await until(`app.sold shows that after ${change}`, async () => (await days())?.join() === left.join())
    }
    expect(await database.withConnection((asked) => readBehindLogs(asked, 120, true))).toEqual([])
    expect(await runsOf('sold')).toEqual([followed, followed])
  })

  test('is said to be refreshed when its log has rows, where logs are followed', async () => {
    const nextBy = async (followsLogs: boolean) => {
      const looks = { everySeconds: 60, followsLogs }
      const schedules = { nightly: null, views: true, looks }
      return (await getWhy(database, 'app.daily', { schedules, typed: null })).nextBy
    }
    expect([await nextBy(true), await nextBy(false)]).toEqual(['log', 'lag'])
  })

  test('stays as it is while it is paused, or everything is, and catches up afterwards', async () => {
    follow()
    await pauseView(database, 'app.daily', true, 'test')
    await write('orders', 1)
    await followsOther(1)
    expect(await runsOf('daily')).toEqual([])
    await pauseAll(database, true, 'test')
    await pauseView(database, 'app.daily', false, 'test')
    expect(await askLogs()).toEqual([])
    await pauseAll(database, false, 'test')
    await shows('daily', 1)
    expect(await runsOf('daily')).toEqual([followed])
  })

  test('is refreshed at once when its log, which was not used, is made anew, and nobody is told to make one', async () => {
    await sql.unsafe(dropLog({ schema: 'app', name: 'daily' }))
    expect((await refresh({ view: 'app.daily' }, callOn(database))).response?.because).toMatch(/is not used/)
    const unused = async () =>
      (
        await getWhy(database, 'app.daily', { schedules: { nightly: null, views: true }, typed: null })
      ).causes.map(({ next }) => next)
    expect(await unused()).toContain("viewkeeper freeze app.daily -m 'a new log'")
    const asked = () => database.withConnection((its) => readBehindLogs(its, 120, true))
    expect(await asked()).toEqual([])
    await makeOnlyItsLog('daily')
    expect(await unused()).not.toContain("viewkeeper freeze app.daily -m 'a new log'")
    expect(await asked()).toEqual([expect.objectContaining({ view: 'app.daily', isChanged: true })])
    follow()
    await until('the log is read', async () => (await asked()).length === 0)
    await write('orders', 1)
    await shows('daily', 1)
  })

  test('fails once, and is left to the looks of the monitor until it is mended', async () => {
    follow()
    await write('orders', 1, 0)
    const failed = await until('a run has failed', async () => {
      const runs = await runsOf('daily')
      return runs.some(({ status }) => status === 'failed') && runs
    })
    await followsOther(1)
    expect(await runsOf('daily')).toEqual(failed)
    expect(failed).toEqual([{ ...followed, status: 'failed' }])
    await sql`update app.orders set amount = 1`
    expect(await refresh({ view: 'app.daily' }, callOn(database))).toMatchObject({ status: 'updated' })
    await write('orders', 2)
    await shows('daily', 2)
  })

  test('follows on after a refresh by hand that was refused', async () => {
    const refused = await refresh({ view: 'app.daily', strategy: 'swap' }, callOn(database))
    expect([refused.status, refused.error?.class]).toEqual(['error', 'InvalidRequest'])
    follow()
    await write('orders', 1)
    await shows('daily', 1)
    expect(await runsOf('daily')).toEqual([followed])
  })

  test('is left to the looks while its log is not used, and its minimum interval holds', async () => {
    await write('orders', 1)
    await write('events', 1)
    const behind = async () => (await askLogs()).map(({ view }) => view)
    expect(
      await until('both may be refreshed', async () => (await behind()).length === 2 && behind()),
    ).toEqual(['app.daily', 'app.other'])
    await define(sql, 'app.other', { min_interval_seconds: 3600 })
    expect(await behind()).toEqual(['app.daily'])
    await sql`alter table app.orders disable trigger user`
    const { response } = await refresh({ view: 'app.daily' }, callOn(database))
    expect(response.because).toContain('its change log is not used')
    await sql`insert into viewkeeper_logs."app.daily_0" (whole) values (true)`
    expect(await behind()).toEqual([])
  })

  test('does not keep others from being followed while somebody locks its log', async () => {
    follow()
    await write('orders', 1)
    await sql.begin(async (holder) => {
      await holder`lock table viewkeeper_logs."app.daily_0" in access exclusive mode`
      await followsOther(1)
    })
    await shows('daily', 1)
  })
})

test('of two copies only the leader refreshes, and the other one goes on when it stops', async () => {
  const copies = [1, 2].map(() => {
    const copy = { standing: '', worked: 0, stop: async () => {} }
    const withConnection: Database['withConnection'] = (work, options) => {
      copy.worked++
      return database.withConnection(work, options)
    }
    const keeper = keeperOf({ ...database, withConnection }, { config: { schedules: { nightly: false } } })
    copy.stop = keeper.stop
    keeper.start({
      onStanding(now) {
        copy.standing = now
      },
    })
    onTestFinished(keeper.stop)
    return copy
  })
  await followsOther(1)
  const standings = () => copies.map(({ standing }) => standing).sort()
  await until('one copy leads, and one follows', async () => `${standings()}` === 'follows,leads')
  const [leader, other] = copies.toSorted((one, two) => two.worked - one.worked)
  expect(leader).toMatchObject({ standing: 'leads' })
  expect(other!.worked).toBe(0)
  await leader!.stop()
  await write('orders', 1)
  await shows('daily', 1)
  expect(other!.standing).toBe('leads')
})

/** What a look finds of the lags, where a process follows logs or none does. */
async function lookAtLags(on = database, followsLogs = true) {
  const { schedules, looks } = termsOf({ schedules: { nightly: false } }, followsLogs)
  await monitor(on, { schedules, looks, publish: unheard })
  return sql`
    select subject, kinds, cause ->> 'text' as text, cause ->> 'next' as next from viewkeeper.incidents where resolved_at is null order by subject`
}

describe('a lag of seconds that is not kept is an incident', () => {
  test('if refreshes take more than half of it, until they do no longer', async () => {
    follow()
    await sql.unsafe(`
      create function app.wait() returns trigger language plpgsql as 'begin perform pg_sleep(0.7); return null; end';
      create trigger slow after insert on app.daily for each statement execute function app.wait()`)
    for (let day = 1; day <= 3; day++) {
      await write('orders', day)
      await shows('daily', day)
      if (day < 3) expect(await lookAtLags()).toEqual([])
    }
    const [found, ...others] = await until('a look finds it', async () => {
      const all = await lookAtLags()
      return all.length > 0 && all
    })
    expect(others).toEqual([])
    expect(found).toMatchObject({ subject: 'app.daily', kinds: ['lag'], next: null })
    expect(found!.text).toMatch(
      /^The target lag of app\.daily, 1\.0 s, cannot be kept: by the usual durations .*, (\d+)\.0 s can\. Write targetLagSeconds: \1, or/,
    )
    expect(await lookAtLags(database, false)).toEqual([])
    await age(sql, '11 min')
    expect(await lookAtLags()).toEqual([])
  })

  test('if the log is not used, or is not there', async () => {
    await sql.unsafe('alter table app.orders disable trigger user')
    await refresh({ view: 'app.daily' }, callOn(database))
    await sql.unsafe('drop table viewkeeper_logs."app.other_0" cascade')
    const found = (view: string) => ({
      subject: view,
      kinds: ['lag'],
      text: `The target lag of ${view}, 1.0 s, is not kept, but 2 min, because its change log is not used.`,
      next: `viewkeeper freeze ${view} -m 'a new log'`,
    })
    expect(await lookAtLags()).toEqual([found('app.daily'), found('app.other')])
    await pauseView(database, 'app.other', true, 'test')
    await sql.unsafe('alter table app.orders enable trigger user')
    expect(await lookAtLags()).toEqual([found('app.daily')])
  })

  test('if the role that asks may not lock the log', async () => {
    await sql.unsafe(`
      create role follower login noinherit password 'secret'; create role writer; grant writer to follower; alter table viewkeeper_logs."app.daily_0" owner to writer;
      grant usage on schema viewkeeper, app to follower; grant all on all tables in schema viewkeeper to follower; grant all on all functions in schema viewkeeper to follower`)
    onTestFinished(async () => {
      await sql.unsafe(
        'drop schema app, viewkeeper_logs cascade; drop owned by follower, writer; drop role follower, writer',
      )
    })
    expect(await lookAtLags(as('follower').database)).toMatchObject([
      {
        subject: 'app.daily',
        text: 'The target lag of app.daily, 1.0 s, is not kept, but 2 min, because role follower may not ask its change log, which belongs to writer.',
        next: 'grant "writer" to "follower"',
      },
      { subject: 'app.other', next: expect.stringMatching(/^grant "[^"]+" to "follower"$/) },
    ])
  })
})

const harms: [string, string][] = [
  [
    'policies',
    `alter table viewkeeper_logs."app.daily_0" enable row level security, force row level security;
     create policy evil on viewkeeper_logs."app.daily_0" using (app.evil())`,
  ],
  ['statistics', 'create statistics app.s on whole, (whole = app.evil()) from viewkeeper_logs."app.daily_0"'],
  ['an index', 'create index on viewkeeper_logs."app.daily_0" (whole) where app.evil()'],
]

test.each(harms)('nothing of the owner of a log is executed where it is asked: %s', async (_, harm) => {
  await write('orders', 1)
  await write('events', 1)
  await sql.unsafe(`
    create role follower login password 'secret'; create role writer; grant usage on schema app to follower, writer;
    grant usage on schema viewkeeper to follower; grant select on viewkeeper.definitions, viewkeeper.runs, viewkeeper.switches to follower;
    grant usage on schema viewkeeper_logs to follower; grant writer to follower;
    create function app.evil() returns boolean language plpgsql immutable as $$ begin if current_user = 'follower' then raise 'executed as %', current_user; end if; return true; end $$;
    alter table viewkeeper_logs."app.daily_0" owner to writer; alter table viewkeeper_logs."app.other_0" owner to writer;
    ${harm}`)
  onTestFinished(async () => {
    await sql.unsafe(
      'drop schema app, viewkeeper_logs cascade; drop owned by follower, writer; drop role follower, writer',
    )
  })
  const own = as('follower').database
  await expect(
    own.withConnection((asked) => asked`select from viewkeeper_logs."app.daily_0" where not whole`),
  ).rejects.toThrow('executed as')
  const behind = await until('a log has rows', () => askLogs(own))
  expect(behind.map(({ view }) => view)).toEqual(['app.other'])
})
