import { beforeEach, expect, test } from 'vitest'
import { cancelBatch } from '../../../src/batch/end.ts'
import type { BatchRequest } from '../../../src/batch/start.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { planLog } from '../../../src/slices/db/log.ts'
import { dropLog, makeLog } from '../../../src/slices/plan/log.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { accountOf, advanceToEnd, begin } from '../../support/views/batches.ts'
import { shadowSchemas } from '../../support/views/gated-group.ts'
import { endProcess, makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { whileLocked } from '../../support/waiting/holder.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, url } = useDatabase()
const only = 'computes some slices of day anew, those that changes have touched'
const all = 'computes all slices of day anew: '

/** Why a run did what it did, without the numbers. */
const told = (because = '') =>
  because
    .replace(/ of about \d+/, '')
    .replace(/^computes \d+ /, 'computes some ')
    .replace(/; all of them took [^:]*/, '')

/** A view with a log of its changes, and a view above it, which is filled after it, when its gate is open. */
beforeEach(async () => {
  await sql.unsafe(`
    delete from viewkeeper.batches; delete from viewkeeper.runs; delete from viewkeeper.definitions;
    drop schema public cascade; create schema public;
    create table orders (id int generated always as identity, day date, amount int not null);
    insert into orders (day, amount) select case when i % 50 > 0 then date '2026-01-01' + i % 30 end, i from generate_series(1, 600) i;
    ${shows('daily', 'select o.day, count(*) as n, sum(o.amount) as total from orders o group by o.day')}`)
  await makeLogOf('daily')
  await makeGatedView(sql, 'above', 'select 1 as id, count(*)::int as days, sum(total) as total from daily')
})

const shows = (name: string, query: string) =>
  `create view ${name}_query as ${query}; create materialized view ${name} as select * from ${name}_query`

async function makeLogOf(name: string): Promise<void> {
  const [row] = await sql.unsafe<{ oid: number }[]>(`select '${name}'::regclass::oid::int as oid`)
  const view = { oid: row?.oid as number, schema: 'public', name }
  for (const statement of makeLog(await planLog(sql, view, 'day'))) await sql.unsafe(statement)
}

const change = () =>
  sql.unsafe(`
    update orders set amount = amount + 1 where day = '2026-01-05';
    update orders set day = '2026-03-01' where day = '2026-01-06';
    insert into orders (day, amount) values (null, 5)`)

/** In how many rows a view differs from its query now, and how many rows its log has. */
const state = async (name = 'daily') =>
  (
    await sql.unsafe(`
      select (select count(*)::int from ((table ${name} except all table ${name}_query) union all (table ${name}_query except all table ${name})) d) as different,
             (select count(*)::int from viewkeeper_logs."public.${name}_0") as logged`)
  )[0]

const run = (request: BatchRequest = { all: true }) =>
  begin(database, request).then(async (id) => ({ id, ended: await advanceToEnd(database, id) }))

/** What the last run of a view says of why. */
async function because(name = 'daily'): Promise<string> {
  const [row] =
    await sql`select meta #>> '{response,because}' as because from viewkeeper.runs where view_name = ${name} order by id desc limit 1`
  return told(row?.because)
}

/** Does `work` when the shadow of the view is filled, and the one above is not; then ends the batch. */
async function whenBuilt(work: (batchId: string) => Promise<unknown>) {
  const batchId = await begin(database, { all: true })
  await withGateClosed(sql, 'above', async (open) => {
    const ended = advanceToEnd(database, batchId)
    await untilAtGate(sql, 'above')
    await work(batchId)
    await open()
    await ended
  })
  return accountOf(sql, batchId)
}

/** The process of a run in this phase of its work that waits. */
const waiting = (phase: string) =>
  until(`a run waits, ${phase}`, async () => {
    const [row] = await sql<{ pid: number }[]>`
      select pid from pg_stat_activity where application_name ~ ${`^viewkeeper run \\d+ ${phase}`} and datname = current_database() and wait_event_type in ('Lock', 'Timeout')`
    return row?.pid
  })

const single = async (view = 'daily') => told((await refresh({ view }, callOn(database))).response?.because)

test('a member of a group is filled by slices, and what is written before the exchange stays for the next refresh', async () => {
  await change()
  await run()
  expect(await because()).toBe(
    `${all}the last refresh has not read the log: the batch exchanges it at one moment with public.above`,
  )
  expect(await state()).toEqual({ different: 0, logged: 0 })
  await change()
  const { statuses } = await whenBuilt(async () => {
    await sql`insert into orders (day, amount) values ('2026-01-20', 7), ('2026-05-05', 7)`
    expect((await state())?.logged).toBeGreaterThan(2)
  })
  expect(statuses).toEqual({ daily: ['success'], above: ['success'] })
  expect(await because()).toBe(`${only}: the batch exchanges it at one moment with public.above`)
  const [age] = await sql`
    select r.as_of >= b.started_at as new, r.held_back_by from viewkeeper.runs r join viewkeeper.batches b on b.id = r.batch_id
     where r.view_name = 'daily' order by r.id desc limit 1`
  expect(age).toEqual({ new: true, held_back_by: null })
  expect(await state()).toEqual({ different: 3, logged: 2 })
  expect(await single()).toBe(only)
  expect(await state()).toEqual({ different: 0, logged: 0 })
  expect(await shadowSchemas(sql)).toEqual([])
})

test(
  'a member of which a hundred slices are touched that are 30 % of all is filled whole',
  deep,
  async () => {
    await sql.unsafe(`
    create table items (id int primary key, amount int); insert into items select i, i from generate_series(1, 400) i;
    ${shows('by_id', 'select id as day, amount from items')}; create materialized view over as select count(*) as n from by_id`)
    await makeLogOf('by_id')
    const touched = async (ids: number) => {
      await sql`update items set amount = amount + 1 where id <= ${ids}`
      await run({ views: ['by_id', 'over'] })
      expect(await state('by_id')).toEqual({ different: 0, logged: 0 })
      const [row] = await sql<{ anew: number | null; strategy: string }[]>`
      select (meta #>> '{response,slices,anew}')::int as anew from viewkeeper.runs where view_name = 'by_id' order by id desc limit 1`
      return row?.anew
    }
    await touched(400)
    expect(await touched(119)).toBe(119)
    expect(await touched(120)).toBe(null)
  },
)

test(
  'a view that is another one when its run is planned is filled whole, and its group is given up',
  deep,
  async () => {
    await sql.unsafe(`
    ${shows('other', 'select o.day, max(o.amount) as most from orders o group by o.day')};
    create materialized view top as select count(*) as n from daily full join other using (day)`)
    await makeLogOf('other')
    await run()
    await change()
    const id = await begin(database, { all: true, concurrency: 1 })
    await whileLocked(
      url,
      'lock table viewkeeper_logs."public.daily_0", viewkeeper_logs."public.other_0"',
      async ({ letGo }) => {
        const ended = advanceToEnd(database, id)
        const pid = await waiting('building')
        const [first] = await sql<{ name: string }[]>`
      select r.view_name as name from viewkeeper.runs r join pg_stat_activity a on a.pid = ${pid} and a.application_name ~ ('^viewkeeper run ' || r.id || ' ')`
        const next = first?.name === 'daily' ? 'other' : 'daily'
        await sql.unsafe(`
      alter materialized view ${next} rename to ${next}_before; alter view ${next}_query rename to ${next}_query_before;
      ${shows(next, `select o.day, min(o.amount) as least from orders o group by o.day`)}`)
        await letGo()
        expect(await ended).toMatchObject({ status: 'success' })
        expect(await state(next)).toMatchObject({ different: 0 })
      },
    )
    const [group] = await sql`select given_up from viewkeeper.batch_groups where batch_id = ${id}`
    expect(group?.given_up).toMatchObject({ class: 'CatalogChanged' })
  },
)

test('a batch that is canceled leaves the log as it was', deep, async () => {
  await run()
  await change()
  const before = await state()
  const { statuses } = await whenBuilt((id) => cancelBatch(id, callOn(database)))
  expect(statuses).toEqual({ daily: ['canceled'], above: ['canceled'] })
  expect(await state()).toEqual(before)
  expect(await single()).toBe(only)
  expect(await state()).toEqual({ different: 0, logged: 0 })
})

eachCase(
  [
    ['somebody has altered what is read', "comment on view daily_query is 'another'"],
    ['the exchange refuses a shadow', "comment on materialized view %I.daily is 'not on the view'"],
    ['the log is dropped', dropLog({ schema: 'public', name: 'daily' })],
  ],
  { quick: 1 },
)('a group that is given up because %s is refreshed view by view, and misses nothing', async (_, harm) => {
  await run()
  await change()
  const { statuses } = await whenBuilt(() =>
    sql.unsafe(
      harm.startsWith('do')
        ? harm
        : `
      do $$ declare shadow text := (select min(nspname) from pg_namespace where nspname like 'viewkeeper\\_b%\\_0');
      begin execute format(${harm.includes('%I') ? `$q$${harm}$q$, shadow` : `$q$${harm}$q$`}); end $$`,
    ),
  )
  const [group] =
    await sql`select g.given_up from viewkeeper.batch_groups g join viewkeeper.batches b on b.id = g.batch_id order by b.serial desc limit 1`
  if (harm.startsWith('do')) {
    expect([statuses, group?.given_up]).toEqual([{ daily: ['success'], above: ['success'] }, null])
    expect(await because()).toContain(only)
    await makeLogOf('daily')
    expect(await single()).toContain(all)
  } else {
    expect(group?.given_up).not.toBeNull()
    expect(statuses.daily).toHaveLength(2)
    // Beside a view that fails, the other one is refreshed where it is.
    expect((await state())?.different).toBe(0)
    await single()
  }
  expect(await state()).toEqual({ different: 0, logged: 0 })
})

test('a run that is killed while it fills a shadow by slices is done again', deep, async () => {
  await run()
  await change()
  const before = await state()
  const id = await begin(database, { all: true })
  await whileLocked(url, 'lock table viewkeeper_logs."public.daily_0"', async ({ letGo }) => {
    const ended = advanceToEnd(database, id)
    await endProcess(sql, await waiting('building'))
    await letGo()
    expect(before?.logged).toBeGreaterThan(0)
    expect(await ended).toMatchObject({ status: 'success' })
  })
  expect((await accountOf(sql, id)).statuses).toEqual({ daily: ['failed', 'success'], above: ['success'] })
  expect(await because()).toContain(only)
  expect(await state()).toEqual({ different: 0, logged: 0 })
})

test(
  'an exchange that is killed, or gets no lock, is done again, and forgets then what the shadows were told',
  deep,
  async () => {
    await run()
    await change()
    const before = await state()
    const id = await begin(database, { all: true })
    await whileLocked(url, 'select from daily', async ({ letGo }) => {
      const ended = advanceToEnd(database, id)
      await endProcess(sql, await waiting('locking'))
      expect(await state()).toEqual(before)
      await sql`insert into orders (day, amount) values ('2026-05-05', 7)`
      await letGo()
      expect(await ended).toMatchObject({ status: 'success' })
    })
    expect((await accountOf(sql, id)).statuses).toEqual({
      daily: ['failed', 'success'],
      above: ['failed', 'success'],
    })
    expect(await state()).toEqual({ different: 1, logged: 1 })
    expect(await single()).toBe(only)
    expect(await state()).toEqual({ different: 0, logged: 0 })
  },
)

test(
  'two members are filled by slices at once; one that reads another is filled whole, and leaves a mark',
  deep,
  async () => {
    const query = 'select o.day, max(o.amount) as most from orders o group by o.day'
    await sql.unsafe(`
    ${shows('other', query)};
    ${shows('child', 'select o.day, max(d.total) as total, count(*) as n from orders o join daily d on d.day = o.day - 1 group by o.day')};
    create materialized view top as select count(*) as n from child full join other using (day)`)
    for (const name of ['other', 'child']) await makeLogOf(name)
    await run()
    // By then it reads another view than its last refresh has.
    expect(await single('child')).toMatch(/ has changed$/)
    expect(await single('child')).toContain(only)
    await change()
    // Both wait for this lock, and fill their shadows at once when it is gone.
    const id = await begin(database, { all: true, concurrency: 4 })
    await whileLocked(
      url,
      'lock table viewkeeper_logs."public.daily_0", viewkeeper_logs."public.other_0"',
      async ({ letGo }) => {
        const ended = advanceToEnd(database, id)
        await until('two runs wait', async () => {
          const rows = await sql`
        select from pg_stat_activity where application_name ~ '^viewkeeper run \\d+ building' and datname = current_database() and wait_event_type = 'Lock'`
          return rows.length === 2 || undefined
        })
        await letGo()
        expect(await ended).toMatchObject({ status: 'success' })
      },
    )
    const { statuses } = await accountOf(sql, id)
    expect(statuses).toEqual(
      Object.fromEntries(['daily', 'other', 'child', 'above', 'top'].map((view) => [view, ['success']])),
    )
    expect([await because('daily'), await because('other'), await because('child')]).toEqual([
      expect.stringContaining(only),
      expect.stringContaining(only),
      expect.stringContaining(`${all}it reads public.daily, which the batch makes anew, too`),
    ])
    for (const name of ['daily', 'other', 'child'])
      expect([name, await state(name)]).toEqual([name, { different: 0, logged: 0 }])
    await single('child')
    expect(await single('child')).toContain(only)
    expect(await state('child')).toEqual({ different: 0, logged: 0 })
  },
)

test('a view that belongs to no group is filled by slices, too, and checks of a group read the query itself', async () => {
  await sql.unsafe(shows('other', 'select o.day, max(o.amount) as most from orders o group by o.day'))
  await makeLogOf('other')
  await run()
  await sql.unsafe(`
    update viewkeeper.definitions set checks = '{"equal": "select day from daily except all select day from public.daily_query"}' where name = 'daily'`)
  await change()
  expect((await run()).ended).toMatchObject({ status: 'success' })
  expect([await because('daily'), await because('other')]).toEqual([expect.stringContaining(only), only])
  for (const name of ['daily', 'other']) expect(await state(name)).toEqual({ different: 0, logged: 0 })
})
