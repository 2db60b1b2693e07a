// @module-tag deep

import { expect, test } from 'vitest'
import { fromUrl } from '../../src/keeper/database-url.ts'
import { refresh } from '../../src/run/refresh.ts'
import { connectTo } from '../../src/server/connect.ts'
import { callOn } from '../support/servers/database.ts'
import { useRds } from '../support/servers/rds.ts'
import { Project } from './support/project.ts'

const fresh = useRds()

test('an incremental table with slices makes its plain view and log, refreshes compute what changed, and the way back leaves nothing', async () => {
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
  project.author('totals', `${query} limit 2`, `storage: 'table', slices: { by: 'day' }`)
  expect(await project.refused(...freeze, '--unverified')).toMatch(
    /public.totals has slices, .* Leave --unverified out/,
  )
  expect(await project.refused(...freeze)).toMatch(/public.totals has no change log: .* Nothing was written/)
  expect(project.files('migrations')).toEqual([])
  project.author('totals', query, `storage: 'table', slices: { by: 'day' }`)
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

  project.author('totals', `${query} having sum(amount) > 1`, `storage: 'table', slices: { by: 'day' }`)
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
