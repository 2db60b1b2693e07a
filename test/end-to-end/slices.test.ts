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
  expect(await rds.sql`table totals_touched`).toEqual([])

  await rds.run('master', await project.succeed('slices', 'totals', '--drop'))
  expect(
    await rds.sql`select from pg_trigger where not tgisinternal and tgrelid = 'orders'::regclass`,
  ).toEqual([])
  expect(await because()).not.toContain('slices')
  expect(await project.succeed('slices', 'totals', '--drop')).toMatch(
    /^-- public.totals has no log of changes.\nbegin;\nset local lock_timeout = '5s';\ncommit;\n$/,
  )
})
