import { expect, test } from 'vitest'
import type { Sql } from '../../../src/server/database.ts'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { deep } from '../../support/deep.ts'
import { useProjects } from './projects.ts'

const start = useProjects()

/** A table with the columns of pg_cron's `cron.job`. */
const makeTable = (sql: Sql) =>
  sql.unsafe(`
    create schema if not exists cron;
    create table cron.job (jobid bigint primary key, schedule text not null, command text not null, nodename text not null default 'localhost',
      nodeport integer not null default 5432, database text not null default current_database(), username text not null default current_user,
      active boolean not null default true, jobname text)`)

const views = `
  create schema app; create schema other;
  create materialized view sales as select 1 as id;
  create materialized view app.totals as select 1 as id;
  create materialized view app."Odd.Name" as select 1 as id;
  create materialized view app.twice as select 1 as id; create materialized view other.twice as select 2 as id`

const jobs: [schedule: string, command: string, more?: object][] = [
  ['0 3 * * *', 'refresh materialized view public.sales', { jobname: 'nightly sales' }],
  ['*/15  *  *  * *', 'REFRESH  MATERIALIZED VIEW CONCURRENTLY app."Odd.Name";', { jobname: "it's odd" }],
  ['30 6 * * mon-fri', '-- every morning\nrefresh materialized view /* the small one */ Totals'],
  [
    '@hourly',
    'set local work_mem = 0; refresh materialized view twice; refresh materialized view app.totals with data',
  ],
  ['0 4 * * *', 'select app.refresh_all()'],
  ['30 seconds', 'refresh materialized view app.totals'],
  ['0 5 * * *', 'refresh materialized view app.totals', { active: false, jobname: 'off' }],
  ['0 5 * * *', 'refresh materialized view app.totals', { database: 'elsewhere' }],
  ['0 0 1 * 1', 'refresh materialized view app.totals', { username: 'somebody', jobname: 'theirs' }],
  ['0 6 * * *', "do $$ begin execute 'refresh materialized view sales'; end $$"],
  ['0 6 * * *', 'refresh materialized view gone'],
  ['5/15 * * * *', 'refresh materialized view sales with no data; refresh materialized view sales'],
  ['0 7 * * *', "delete from orders where id < 0; vacuum -- 'refresh'"],
  ['0 7 * * *', 'refresh materialised view sales'],
  ['0 7 * * *', 'explain analyze refresh materialized view sales'],
  ['0 7 * * *', 'refresh materialized view sales with no data', { jobname: 'a\u001b[31m\nname' }],
]

test('adopt shows what the jobs of pg_cron refresh, each with its schedule and the SQL that unschedules it, and changes none', async () => {
  const { project, sql } = await start()
  await sql.unsafe(views)
  await makeTable(sql)
  for (const [at, [schedule, command, more]] of jobs.entries())
    await sql`insert into cron.job ${sql({ jobid: at + 1, schedule, command, ...more })}`
  const before = [await sql`select * from cron.job`, await wholeCatalog(sql)]
  const printed = await project.succeed('adopt', '--all')
  expect([await sql`select * from cron.job`, await wholeCatalog(sql)]).toEqual(before)
  expect(printed).toContain('5 views adopted')
  const [, said = ''] = printed.split('\n\n')
  expect(said.split('\n').map((line) => line.replace(/^ {2}/, ''))).toEqual([
    'pg_cron has these jobs. None was changed; to take one over, write its schedule into the definition, deploy, then unschedule it:',
    '  job 1 (nightly sales) refreshes public.sales',
    `    schedule: '0 3 * * *', timeZone: 'UTC'`,
    `    select cron.unschedule('nightly sales');`,
    `  job 2 (it's odd) refreshes app."Odd.Name"`,
    `    schedule: '*/15 * * * *', timeZone: 'UTC'`,
    '    select cron.unschedule(2);',
    '  job 3 refreshes totals (only app.totals has that name)',
    `    schedule: '30 6 * * mon-fri', timeZone: 'UTC'`,
    '    select cron.unschedule(3);',
    '  job 4 refreshes twice (which of app.twice, other.twice depends on the search path of its user), refreshes app.totals',
    '    it also executes 1 other statement',
    `    schedule: '0 * * * *', timeZone: 'UTC'`,
    '    select cron.unschedule(4);',
    '  job 5 calls a function or a code block; look yourself',
    '  job 6 refreshes app.totals',
    '    no schedule is as often as "30 seconds"; the shortest is targetLagSeconds: 120, or seconds with storage: \'table\' and slices',
    '    select cron.unschedule(6);',
    '  job 7 (off) is switched off; it refreshes app.totals',
    `    select cron.unschedule('off');`,
    '  job 8 works in database elsewhere, not in this one',
    '  job 9 (theirs) refreshes app.totals',
    '    no schedule is proposed for "0 0 1 * 1" in UTC: cannot restrict both the day of month and the day of week: write "*" for one of them; the other needs a second view',
    '    select cron.unschedule(9);   -- as somebody or a superuser',
    '  job 10 calls a function or a code block; look yourself',
    '  job 11 refreshes gone (there is no such view here)',
    `    schedule: '0 6 * * *', timeZone: 'UTC'`,
    '    select cron.unschedule(11);',
    '  job 12 empties sales (only public.sales has that name), refreshes sales (only public.sales has that name)',
    '    no schedule is proposed for "5/15 * * * *" in UTC: has a step without a range',
    '    select cron.unschedule(12);',
    '  job 14 has a text that is not SQL of this parser; look yourself',
    '  job 15 names a refresh inside another statement; look yourself',
    '  job 16 (a name) empties sales (only public.sales has that name)',
    '    select cron.unschedule(16);',
    '  1 job with no refresh in the text',
  ])
  expect(await project.succeed('adopt', '--all')).toContain(
    'nothing was written\n\n  pg_cron has these jobs.',
  )
})

test('adopt says why it did not read cron.job, and which jobs row security may hide', deep, async () => {
  const { project, sql, url } = await start()
  await sql.unsafe(`${views};
    create role cron_owner; create role cron_user login password 'secret';
    create schema cron authorization cron_owner`)
  await makeTable(sql)
  const address = new URL(url)
  address.username = 'cron_user'
  address.password = 'secret'
  const adopt = async () =>
    (await project.run(['adopt', 'sales'], { env: { DATABASE_URL: address.href } })).out
  expect(await adopt()).toContain(
    'cron.job of pg_cron was not read: your login may not read it, or it is not a table',
  )
  await sql.unsafe('grant usage on schema cron to cron_user; grant select on cron.job to cron_user')
  expect(await adopt()).toContain('was not read: cron_owner, which owns it or its schema, is not a superuser')
  await sql.unsafe(`alter schema cron owner to current_user; alter table cron.job enable row level security;
    create policy cron_job_policy on cron.job using (username = current_user)`)
  await sql`insert into cron.job values (1, '0 3 * * *', 'refresh materialized view sales')`
  await sql`insert into cron.job (jobid, schedule, command, username) values (2, '@daily', 'refresh materialized view sales', 'cron_user')`
  expect((await adopt()).split('\n').slice(-6)).toEqual([
    expect.stringContaining('these jobs'),
    '    job 2 refreshes sales (only public.sales has that name)',
    `      schedule: '0 0 * * *', timeZone: 'UTC'   // if cron.timezone is GMT, as by default: your login may not read it`,
    '      select cron.unschedule(2);',
    '    row security may hide jobs of other users from your login',
    '',
  ])
})
