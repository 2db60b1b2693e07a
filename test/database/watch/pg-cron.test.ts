import { beforeAll, expect, test } from 'vitest'
import { prune } from '../../../src/keeper/jobs.ts'
import { discoverDefinitions } from '../../../src/record/definitions/discovered.ts'
import { listViews } from '../../../src/watch/read-views.ts'
import { deleteRows } from '../../support/record/rows.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { muchLater } from '../../support/waiting/until.ts'

// Views that jobs of pg_cron refresh already. Its table is made here with the columns, the grants and the policy of pg_cron.

const { sql, database } = useDatabase()

const nightly = { schedule: '0 2 * * *', timeZone: 'Etc/UTC' }

const job = (command: string, more: object = {}) =>
  sql`insert into cron.job ${sql({ command, username: 'app_cron', ...more })}`

/** The views that nothing but pg_cron refreshes. */
async function left() {
  await deleteRows(sql, 'definitions')
  await discoverDefinitions(sql as never)
  return leftNow()
}
async function leftNow() {
  const { views } = await listViews(database, { nightly, views: true })
  return views.flatMap(({ view, nextRun }) => (nextRun === null ? [view] : []))
}

beforeAll(async () => {
  await sql.unsafe(`
    create role app_cron; create schema app authorization app_cron; create schema cron;
    create table cron.job (jobid bigserial primary key, schedule text not null default '0 3 * * *', command text not null,
      database text not null default current_database(), username text not null default current_user, active boolean not null default true);
    grant usage on schema cron to app_cron; grant select on cron.job to public;
    alter table cron.job enable row level security; create policy own on cron.job using (username = current_user);
    create materialized view public.sales as select 1 as id; create materialized view public."Odd.Name" as select 1 as id;
    create materialized view app.totals as select 1 as id; create materialized view app.sales as select 1 as id;
    create materialized view app.daily as select 1 as id; create materialized view app.hourly as select 1 as id;
    alter materialized view app.totals owner to app_cron; alter materialized view app.daily owner to app_cron`)
})

test('what a job does nothing but refresh is left to it, and comes back when no job refreshes it any more', async () => {
  expect(await left()).toEqual([])
  await job('refresh materialized view app.totals')
  await job(
    'REFRESH MATERIALIZED VIEW CONCURRENTLY Daily; refresh  materialized view public."Odd.Name" with data;',
  )
  expect(await left()).toEqual(['app.daily', 'app.totals', 'public."Odd.Name"'])
  await sql`update cron.job set active = false where command like '%totals'`
  await prune(database, { successes: 500, days: 90 }, muchLater())
  expect(await leftNow()).toEqual(['app.daily', 'public."Odd.Name"'])
})

test.each([
  ['refresh materialized view sales', 'a name of two views'],
  ['refresh materialized view app.hourly with no data', 'a job that empties'],
  ['select 1; refresh materialized view app.hourly', 'another statement'],
  ['-- refresh materialized view app.hourly', 'a comment'],
  ['refresh materialized view app.gone', 'no view'],
])('%j proves nothing: %s', async (command) => {
  await sql`delete from cron.job`
  await job(command)
  expect(await left()).toEqual([])
})

test('jobs of other databases, and those that are switched off, are no reason', async () => {
  await sql`delete from cron.job`
  await job('refresh materialized view app.hourly', { database: 'elsewhere' })
  await job('refresh materialized view app.hourly', { active: false })
  expect(await left()).toEqual([])
})
