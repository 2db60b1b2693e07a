// @ts-expect-error: the package has no types
import parse from 'parse-prometheus-text-format'
import { beforeAll, expect, test } from 'vitest'
import { makeMetrics, whyNotReady } from '../../../serve/metrics/metrics.ts'
import { promMetrics } from '../../../serve/metrics/names.ts'
import { unscheduled } from '../../../src/due/schedules.ts'
import { noteRefusal, writeDeliveries } from '../../../src/record/events/outbox.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { makeLog } from '../../../src/slices/plan/log.ts'
import { planLog } from '../../../src/slices/slices.ts'
import { quoteIdentifier } from '../../../src/sql/names.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { define } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { makeKept } from '../../support/slices/kept-table.ts'
import { until } from '../../support/waiting/until.ts'

const { database, sql, as } = useDatabase()
const parsePrometheus = parse as (
  text: string,
) => { name: string; type: string; metrics: { labels?: Record<string, string>; value: string }[] }[]
/** A name that an exposition has to escape. */
const odd = 'odd "name"\\ of\na view'

beforeAll(async () => {
  await sql`create materialized view ${sql(odd)} as select 1 as one`
  await sql`create materialized view broken as select 1 / (select count(*) from pg_class where relname = 'divisor') as quotient with no data`
})

/** The exposition, as a parser of another project reads it: the values of each metric by their labels. */
async function scrape(metrics: ReturnType<typeof makeMetrics>) {
  const { body, contentType } = await metrics.exposition()
  expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/)
  const families = parsePrometheus(body)
  const series = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(series.filter((line) => !line.includes('environment="shop"'))).toEqual([])
  const valuesOf = (name: string) =>
    Object.fromEntries(
      (families.find((each) => each.name === name)?.metrics ?? []).map(({ labels = {}, value }) => [
        Object.entries(labels)
          .flatMap(([label, of]) => (label === 'environment' ? [] : of))
          .join(' '),
        Number(value),
      ]),
    )
  return { families, valuesOf }
}

test('what runs and the monitor have done is what another project reads in the answer for Prometheus', async () => {
  const metrics = makeMetrics(database, { environment: 'shop', channels: ['chat team'] }, () => true)
  const look = () =>
    monitor(database, {
      schedules: unscheduled,
      publish: metrics.publisher,
      programs: { typed: 'shop' },
    })
  await look()
  await refresh({ view: `public.${quoteIdentifier(odd)}` }, callOn(database))
  await refresh({ view: 'broken' }, callOn(database)).catch(() => {})
  await look()
  await writeDeliveries(sql, [{ channel: 'chat team', key: 'one', message: {} }])
  const [row] = await sql`select sequence from viewkeeper.deliveries`
  await noteRefusal(sql, 'chat team', row?.sequence, 'it answered 500')

  const { families, valuesOf } = await scrape(metrics)
  expect(Object.keys(promMetrics).filter((name) => !families.some((each) => each.name === name))).toEqual([])
  expect(valuesOf('viewkeeper_leader')).toEqual({ '': 1 })
  expect(valuesOf('viewkeeper_database_up')).toEqual({ '': 1 })
  expect(valuesOf('viewkeeper_views')).toEqual({ '': 2 })
  expect(valuesOf('viewkeeper_runs_total')).toMatchObject({
    'refresh success': 1,
    'refresh failed': 1,
    'drop failed': 0,
  })
  expect(valuesOf('viewkeeper_view_incident')).toEqual({ 'public.broken failing': 1 })
  expect(valuesOf('viewkeeper_channel_failing')).toEqual({ 'chat team': 1 })
  expect(valuesOf('viewkeeper_channel_waiting')).toEqual({ 'chat team': 1 })
  const [[view, age] = ['', -1]] = Object.entries(valuesOf('viewkeeper_view_data_age_seconds'))
  expect(view).toBe(`public.${quoteIdentifier(odd)}`)
  const [clock] = await sql`select extract(epoch from clock_timestamp())::float8 as now`
  expect(age).toBeGreaterThanOrEqual(0)
  expect(age).toBeLessThan(300)
  const lookedAt = valuesOf('viewkeeper_monitor_last_look_timestamp_seconds')['']!
  expect(clock?.now - lookedAt).toBeLessThan(300)
  const names = families.map(({ name }) => name).filter((name) => name.startsWith('viewkeeper_'))
  expect(names.filter((name) => !/^[a-z][a-z_]*$/.test(name) || /_(ms|minutes|count)$/.test(name))).toEqual(
    [],
  )
})

test('no gauge has the name of a counter, and each counter has: `promtool check metrics` finds nothing in names', async () => {
  const { families } = await scrape(makeMetrics(database, { environment: 'shop', channels: [] }, () => true))
  const odd = families.filter(({ name, type }) => name.endsWith('_total') !== (type === 'COUNTER'))
  expect(odd.map(({ name }) => name)).toEqual([])
  expect(families.map(({ name }) => name)).toContain('nodejs_active_resources')
})

test('of an incremental table, the rows of its log are told, and how many slices its last refresh computed of how many', async () => {
  await sql.unsafe(`
    create schema app; create table app.orders as select i % 20 as day, i as amount from generate_series(1, 100) i;
    ${makeKept('app.daily', 'select day, sum(amount) as total from app.orders group by day')}; create unique index on app.daily (day)`)
  const [{ oid, query }] = await sql<[{ oid: number; query: number }]>`
    select 'app.daily'::regclass::oid::int8 as oid, 'app.daily_query'::regclass::oid::int8 as query`
  for (const statement of makeLog(await planLog(sql, { oid, query, schema: 'app', name: 'daily' })))
    await sql.unsafe(statement)
  await define(sql, 'app.daily', { storage: 'table', slices: { by: 'day' } })
  const refreshed = () => refresh({ view: 'app.daily' }, callOn(database))
  for (const _ of [1, 2]) await refreshed()
  await sql`update app.orders set amount = 0 where day in (3, 4)`
  await refreshed()
  await sql.begin(async (own) => {
    await own`update app.orders set amount = 1 where day = 5`
    await own`select pg_stat_force_next_flush()`
  })
  const { valuesOf } = await scrape(makeMetrics(database, { environment: 'shop', channels: [] }, () => true))
  expect(valuesOf('viewkeeper_view_slices')).toEqual({ 'app.daily': 20 })
  expect(valuesOf('viewkeeper_view_slices_computed')).toEqual({ 'app.daily': 2 })
  expect(valuesOf('viewkeeper_view_log_rows')['app.daily']).toBeGreaterThan(0)
})

test('the connections that this process has open are counted, and no more when they are closed', async () => {
  const counted = async () => {
    const metrics = makeMetrics(database, { environment: 'shop', channels: [] }, () => true)
    return Number((await scrape(metrics)).valuesOf('viewkeeper_database_connections')[''])
  }
  // Other tests of this process may have left some: while they are being closed, the numbers say nothing.
  await until('two are counted, and no more when they are closed', async () => {
    const before = await counted()
    const [one, two] = [await database.open({}), await database.open({})]
    const during = await counted()
    await Promise.all([one.leave(), two.leave()])
    const after = await until('they are counted no more', async () => {
      const now = await counted()
      return now <= before && { now }
    })
    return during === before + 2 && after.now === before
  })
})

test('if the database cannot be read, no number of a view is told that may be old', async () => {
  const { valuesOf } = await scrape(
    makeMetrics(as('nobody').database, { environment: 'shop', channels: ['chat team'] }, () => false),
  )
  expect(valuesOf('viewkeeper_database_up')).toEqual({ '': 0 })
  expect(valuesOf('viewkeeper_leader')).toEqual({ '': 0 })
  expect(valuesOf('viewkeeper_views')).toEqual({})
  expect(valuesOf('viewkeeper_view_data_age_seconds')).toEqual({})
  expect(valuesOf('viewkeeper_monitor_last_look_timestamp_seconds')).toEqual({})
})

test('a process is ready if the schema has its steps or more; otherwise a code says why, and names neither login nor server', async () => {
  const [{ steps } = { steps: 0 }] = await sql<{ steps: number }[]>`
    select count(*)::integer as steps from viewkeeper.schema_steps`
  expect(await whyNotReady(database, steps)).toBeNull()
  expect(await whyNotReady(database, steps - 1)).toBeNull()
  expect(await whyNotReady(database, steps + 1)).toBe('NotMigrated')
  expect(await whyNotReady(as('nobody').database, steps)).toBe('CredentialsRefused')
})
