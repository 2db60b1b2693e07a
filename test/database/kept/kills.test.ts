// @module-tag deep

import { beforeAll, expect, test } from 'vitest'
import { refresh } from '../../../src/run/refresh.ts'
import { whileKilledAtEach } from '../../support/processes/kills.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { useDaily } from '../../support/slices/daily.ts'

const { database, sql } = useDatabase()
const { make, refreshed } = useDaily({ database, sql }, 'day')

beforeAll(async () => {
  await sql.unsafe(`
    create schema app;
    create table app.orders (id int primary key generated always as identity, day date, amount int);
    insert into app.orders (day, amount) select date '2026-11-01' + i % 10, i from generate_series(1, 200) i`)
  await make('select day, count(*) as n, sum(amount) as total from app.orders group by day')
  await sql.unsafe('create unique index on app.daily (day); analyze app.daily')
})

/** What a refresh that has not succeeded must leave as it was. */
const state = async () => ({
  rows: await sql`select *, xmin::text, ctid::text from app.daily order by day`,
  log: await sql`select *, xmin::text from viewkeeper_logs."app.daily_0" order by at, day`,
  record: await sql`select max(id)::int as last from viewkeeper.runs where status = 'success'`,
  age: await sql`select as_of from viewkeeper.view_status`,
})

test('a refresh whose session is ended at any of its statements changes no row, forgets nothing, and records no success', async () => {
  await whileKilledAtEach(
    sql,
    ['app', 'daily'],
    async (at) => {
      await sql`update app.orders set amount = amount + 1 where id % 10 = ${Math.max(at, 0) % 10}`
      const before = await state()
      expect(before.log).not.toEqual([])
      const { error } = await refresh({ view: 'app.daily' }, callOn(database))
      expect([at, error?.class]).toEqual([at, 'RunLost'])
      expect({ at, ...(await state()) }).toEqual({ at, ...before })
    },
    async () => {
      expect(await refreshed()).toMatch(/^computes .* slices of day anew, those that changes have touched/)
      expect((await state()).log).toEqual([])
    },
  )
})
