import postgres from 'postgres'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { unscheduled } from '../../../src/due/schedules.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { monitor } from '../../../src/watch/monitor.ts'
import { getWhy } from '../../../src/watch/why.ts'
import { age } from '../../support/record/past.ts'
import { insertRow, updateRows } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { ofTestsThemselves } from '../../support/servers/settings.ts'

// An age is never told too new: neither after a refresh by somebody else, nor after the clock of the server was set back.

const { sql, database, url } = useDatabase()
const ask = (strategy: 'regular' | 'concurrent') => refresh({ view: 'late.v', strategy }, callOn(database))
const look = () =>
  monitor(database, { schedules: unscheduled, publish: { runs() {}, batches() {}, incidents() {} } })

const told = async () =>
  (
    await sql`
      select viewkeeper.as_of('late.v') as "asOf", viewkeeper.is_fresh('late.v', '1 min') as fresh, s.as_of as listed
        from viewkeeper.view_status s where s.view = 'late.v'`
  )[0]
const unknown = { asOf: null, fresh: null, listed: null }
const known = { asOf: expect.any(Date), fresh: true, listed: expect.any(Date) }
const whyUnknown = async () =>
  (await getWhy(database, 'late.v', { schedules: unscheduled, typed: null })).causes.find(
    ({ code }) => code === 'UnknownAge',
  )?.text
const required = () =>
  sql`select viewkeeper.require_fresh('late.v', '1 min')`.catch(({ code, detail }) => `${code} ${detail}`)

beforeAll(async () => {
  await sql.unsafe(`
    create schema late; create table late.t (n int); insert into late.t values (1);
    create materialized view late.v as select n from late.t; create unique index on late.v (n)`)
})
beforeEach(() => ask('regular'))

describe('a refresh by somebody else after ours', () => {
  test('out of an older snapshot puts back old rows: the view is of an unknown age until the next refresh', async () => {
    const other = postgres(url, { max: 1, connection: ofTestsThemselves })
    try {
      await other.unsafe('begin isolation level repeatable read; select from late.t')
      await sql`update late.t set n = n + 1`
      await ask('regular')
      expect(await told()).toEqual(known)
      await other.unsafe('refresh materialized view concurrently late.v; commit')
      expect(await sql`select from late.v join late.t using (n)`).toEqual([])
      const [{ pid }] = await other<[{ pid: number }]>`select pg_backend_pid() as pid`
      expect(await whyUnknown()).toMatch(
        /: it was refreshed concurrently without Viewkeeper, altered, or granted, since run \d+ filled it\.$/,
      )
      await other.unsafe('refresh materialized view late.v')
      expect(await whyUnknown()).toMatch(
        new RegExp(
          `: it was refreshed without Viewkeeper, or .*, since run \\d+ filled it, perhaps by process ${pid} \\(role .*\\)\\.$`,
        ),
      )
    } finally {
      await other.end()
    }
    expect(await told()).toEqual(unknown)
    expect(await required()).toMatch(/^VK001 .*it was filled outside the record, or granted/)
    await ask('concurrent')
    expect(await told()).toEqual(known)
  })

  test('is not told from a grant, which may hide one', async () => {
    await sql.unsafe('revoke select on late.v from public')
    await ask('concurrent')
    await sql.unsafe('grant select on late.v to public')
    expect(await told()).toEqual(unknown)
    await ask('concurrent')
    expect(await told()).toEqual(known)
    await sql.unsafe('grant select on late.v to public')
    expect(await told()).toEqual(unknown)
  })
})

describe('after the clock of the server was set back by an hour', () => {
  test.each([true, false])('data of the future are of an unknown age (published: %s)', async (published) => {
    await updateRows(sql, 'definitions', { view: 'late.v' }, { minIntervalSeconds: 0 })
    if (published) await look()
    await age(sql, '-1 hour', 'v')
    expect(await told()).toEqual(unknown)
    const again = await ask('concurrent')
    expect(again.coalesced).toBeUndefined()
    expect(
      await sql`select viewkeeper.as_of('late.v') > clock_timestamp() - interval '1 min' as now`,
    ).toEqual([{ now: true }])
    await look()
    await look()
    expect(await told()).toEqual(known)
    expect(await sql`select from viewkeeper.runs where finished_at > clock_timestamp()`).toEqual([])
    const [status] =
      await sql`select last_run_id as id, last_success_at < clock_timestamp() as past from viewkeeper.view_status where view = 'late.v'`
    expect(status).toEqual({ id: again.runId, past: true })
  })
})

test('within a message of several statements require_fresh has the time of the moment', async () => {
  const { runId } = await ask('regular')
  await updateRows(sql, 'runs', { id: runId }, { asOf: sql`clock_timestamp() - interval '59.5 s'` })
  const answer = sql.unsafe(`do $$ begin
    perform viewkeeper.require_fresh('late.v', '1 min');
    while viewkeeper.as_of('late.v') > clock_timestamp() - interval '1 min' loop perform pg_sleep(0.01); end loop;
    perform viewkeeper.require_fresh('late.v', '1 min');
  end $$`)
  await expect(answer).rejects.toMatchObject({ code: 'VK001' })
})

test('the runs of a time are counted rightly, whatever wrote them late', async () => {
  const { id } = await insertRow(sql, 'definitions', { view: 'late.counted', source: 'authored' })
  // Every third row is one of a put-back: written last, with a time of two days ago.
  for (let i = 1; i <= 300; i++) {
    const at = new Date(Date.now() - 60_000 * (i % 3 === 0 ? 2 * 24 * 60 : (300 - i) * 8))
    await insertRow(sql, 'runs', { view: 'late.counted', status: 'success', requestedAt: at, finishedAt: at })
  }
  const truth = await sql`
    select count(*)::int as runs from viewkeeper.runs where view_name = 'counted' and requested_at >= clock_timestamp() - interval '1 day'`
  const first = await sql`
    select viewkeeper.first_run_since(x.at) = (select min(id) from viewkeeper.runs where requested_at >= x.at) as same
      from generate_series(1, 40) h cross join lateral (select clock_timestamp() - h * interval '1 hour' as at) x`
  expect(first.every(({ same }) => same)).toBe(true)
  const [metrics] = await sql`
    select m.runs::int as runs from viewkeeper.view_metrics('1 day', ${id}) m`
  expect([metrics]).toEqual([...truth])
})
