import { expect, test } from 'vitest'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { refresh } from '../../src/run/refresh.ts'
import { connectTo } from '../../src/server/connect.ts'
import { callOn } from '../support/servers/database.ts'
import { useRds } from '../support/servers/rds.ts'
import { Project } from './support/project.ts'

const fresh = useRds()

test('viewkeeper slices prints a log of changes for a master that is no superuser, and what drops it', async () => {
  const rds = await fresh()
  const project = new Project(rds.url)
  await rds.run(
    'master',
    `set search_path to public;
     create table orders (id integer, day date, amount integer);
     insert into orders select i, date '2026-01-01' + i % 3, i from generate_series(1, 9) i;
     create view totals_query as select day, sum(amount) as total from orders group by day;
     create materialized view totals as select * from totals_query;
     create materialized view own as select day from orders`,
  )
  await project.succeed('migrate', 'up')
  expect(await project.refused('slices', 'own')).toMatch(
    /^public.own has no log of changes: it computes its rows itself/,
  )
  expect(await project.refused('slices', 'totals', '--by', 'total')).toMatch(
    /does not fall into slices of total, but of day/,
  )

  const made = await project.succeed('slices', 'totals')
  expect(made).toMatch(/^-- public.totals has a log of changes, by slices of day.\nbegin;\n/)
  await rds.run('master', made)
  const database = connectTo(fromUrl(rds.url))
  const because = async () => (await refresh({ view: 'public.totals' }, callOn(database))).response?.because
  expect(await because()).toMatch(
    /^computes all of about 3 slices of day anew: the last refresh has not read the log/,
  )
  await rds.run('master', `insert into public.orders values (10, '2026-01-02', 5)`)
  expect(await because()).toMatch(
    /^computes 1 of about 3 slices of day anew, those that changes have touched/,
  )
  expect(await rds.sql`table totals except table totals_query`).toEqual([])
  expect(await rds.sql`table viewkeeper_logs."public.totals_0"`).toEqual([])

  await rds.run('master', await project.succeed('slices', 'totals', '--drop'))
  expect(
    await rds.sql`select from pg_trigger where not tgisinternal and tgrelid = 'orders'::regclass`,
  ).toEqual([])
  expect(await because()).not.toContain('slices')
  // What is gone is no error, and a view that is gone leaves its log.
  await rds.run('master', await project.succeed('slices', 'totals', '--drop'))
  await rds.run('master', await project.succeed('slices', 'totals'))
  await rds.run('master', 'drop materialized view public.totals')
  await rds.run('master', await project.succeed('slices', 'totals', '--drop'))
  expect(await rds.sql`select from pg_class where relname = 'public.totals_0'`).toEqual([])
  expect(await project.refused('slices', 'totals', '--drop')).toMatch(/no .*totals/)
})

test('a definition with slices makes views and log, refreshes compute what changed, and the way back leaves nothing', async () => {
  const rds = await fresh()
  const project = new Project(rds.url)
  await rds.run(
    'master',
    `set search_path to public;
     create table orders (id integer, day date, amount integer);
     insert into orders select i, date '2026-01-01' + i % 3, i from generate_series(1, 9) i`,
  )
  const query = 'select day, sum(amount) as total from public.orders group by day'
  const freeze = ['freeze', '-m', 'a test']
  project.author('totals', `${query} limit 2`, `slices: { by: 'day' }`)
  expect(await project.refused(...freeze, '--unverified')).toMatch(
    /public.totals has slices, .* Leave --unverified out/,
  )
  expect(await project.refused(...freeze)).toMatch(/schema "viewkeeper" does not exist. .* migrate: /)
  await project.succeed('migrate', 'up')
  expect(await project.refused(...freeze)).toMatch(
    /public.totals has no log of changes: .* Nothing was written/,
  )
  expect(project.files('migrations')).toEqual([])
  project.author('totals', query, `slices: { by: 'day' }`)
  expect(await project.succeed(...freeze)).toContain('public.totals can be refreshed by slices of day')
  await project.succeed('migrate', 'up')

  const database = connectTo(fromUrl(rds.url))
  const because = async () => (await refresh({ view: 'public.totals' }, callOn(database))).response?.because
  const differs = () =>
    rds.sql`(table totals except table totals_query) union all (table totals_query except table totals)`
  expect(await because()).toMatch(/^computes all/)
  await rds.run('master', `insert into public.orders values (10, '2026-01-02', 5)`)
  expect(await because()).toMatch(/^computes 1 of about 3 slices of day anew/)
  expect(await differs()).toEqual([])

  project.author('totals', query.replace('sum', 'count(*) as n, sum'), `slices: { by: 'day' }`)
  await project.succeed(...freeze)
  await project.succeed('migrate', 'up')
  expect(await because()).toMatch(/^computes all/)
  await rds.run('master', `update public.orders set amount = 0 where id = 10`)
  expect(await because()).toMatch(/^computes 1 of about 3 slices of day anew/)
  expect(await differs()).toEqual([])
  await project.succeed('drift')

  await project.succeed('migrate', 'down', '3', '--yes')
  expect(
    await rds.sql`select relname from pg_class where relnamespace = 'public'::regnamespace and relname like 'totals%'`,
  ).toEqual([])
})
