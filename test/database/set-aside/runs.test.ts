import { beforeEach, expect, test } from 'vitest'
import { migrateUp } from '../../../src/migrate/migrate.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { deep } from '../../support/deep.ts'
import { age } from '../../support/record/past.ts'
import { emptyTables } from '../../support/record/rows.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { callAlter, callPutBack, callSetAside } from '../../support/views/alter.ts'
import { migrateCall, useFolders } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'
import { useScene } from './scene.ts'

const { sql, database, as } = useDatabase()
const { login } = useScene(sql, 'runs')
const folderNamed = useFolders()

beforeEach(() => emptyTables(sql, 'definitions', 'migrations'))

const widen = 'alter table keep.orders alter column amount type bigint'
const runs = () => sql`
  select format('%I.%I', schema_name, view_name) as view, operation, status, trigger, requested_by as by, result, fills,
         meta -> 'request' as request, meta #>> '{response,because}' as because
    from viewkeeper.runs order by id`
const all = ['keep.totals', '"Odd one"."By Day"', 'keep.big', 'far.counts', 'keep.empty_one', 'far.summit']
const made = (more: object) =>
  all.map((view) => ({
    view,
    operation: 'create',
    status: 'success',
    result: 'created',
    fills: view !== 'keep.empty_one',
    ...more,
  }))

test('alter: each materialized view has a run, which makes its data as fresh as they are', async () => {
  await refresh({ view: 'keep.totals', strategy: 'regular' }, callOn(database))
  await age(sql, '3 days')
  await callAlter(as(login).database, widen, { requestedBy: 'wilma' })
  expect((await runs()).slice(1)).toEqual(
    made({ trigger: 'cli', by: 'wilma', request: { alter: 'change.sql' }, because: 'alter change.sql' }),
  )
  const [status] = await sql`
    select s.staleness < interval '1 hour' as fresh, r.meta #> '{response,sql}' as sql, r.duration_ms >= 0 as took,
           r.started_at <= r.finished_at and r.requested_at <= r.started_at and r.published_at is null as timely
      from viewkeeper.view_status s join viewkeeper.runs r on r.id = s.last_success_id where s.view = 'keep.totals'`
  expect(status).toMatchObject({ fresh: true, took: true, timely: true })
  expect(status?.sql[0]).toMatch(/^create materialized view "keep"\."totals"/)
  expect(status?.sql.at(-1)).toBe('refresh materialized view "keep"."totals"')
})

test('alter: what fails or was only tried has no run', deep, async () => {
  await refusalOf(callAlter(database, 'alter table keep.orders drop column status'))
  await callAlter(database, widen, { dryRun: true })
  expect(await runs()).toEqual([])
})

test('own SQL in a deploy: the runs are those of the deploy', async () => {
  const folder = await folderNamed('deployed')
  await folder.write(
    '001_change.up.sql',
    `-- viewkeeper: {"alters": ["keep.orders"]}\nreset role;\n${widen};\n`,
  )
  await migrateUp(migrateCall(database, { trigger: 'deploy', requestedBy: 'deploy' }), await folder.read())
  expect(await runs()).toEqual(
    made({
      trigger: 'deploy',
      by: 'deploy',
      request: { migration: '001_change', way: 'up' },
      because: '001_change.up',
    }),
  )
})

test('put-back: what is made again has a run, what cannot has one that failed', async () => {
  await sql.unsafe(`
    create materialized view keep.shares as select id, 1000 / amount as share from keep.orders;
    create materialized view keep.halves as select share / 2 as half from keep.shares`)
  await callSetAside(database, ['keep.orders'])
  expect(await runs()).toEqual([])
  await sql`update keep.orders set amount = 0 where id = 7`
  const back = () => callPutBack(database, { requestedBy: 'wilma' })
  await back()
  const by = { trigger: 'cli', by: 'wilma', request: { putBack: true }, because: 'put-back' }
  const [shares] = await sql`select error, fills from viewkeeper.runs where view_name = 'shares'`
  expect(shares).toEqual({
    error: {
      class: 'ViewSqlFailed',
      message:
        'materialized view keep.shares cannot be filled: its data cannot be computed: division by zero (22012).',
      sqlstate: '22012',
    },
    fills: false,
  })
  expect((await runs()).filter(({ status }) => status === 'success')).toEqual(made(by))
  await sql`update keep.orders set amount = 7 where id = 7`
  await back()
  expect((await runs()).slice(7)).toMatchObject([
    { view: 'keep.shares', status: 'success', fills: true },
    { view: 'keep.halves', status: 'success', fills: true },
  ])
})

test('put-back: the run of a view begins after the view before it could not be filled', deep, async () => {
  await sql.unsafe(`
    create sequence keep.moment;
    create table keep.divisors as select 1 as by;
    create materialized view keep.a_misfit as
      select setval('keep.moment', (extract(epoch from clock_timestamp()) * 1e6)::bigint) / by as quotient from keep.divisors;
    create materialized view keep.b_fits as select by from keep.divisors`)
  await callSetAside(database, ['keep.divisors'])
  await sql`update keep.divisors set by = 0`
  await callPutBack(database, { requestedBy: 'wilma' })
  const [fits] = await sql`
    select status, started_at > to_timestamp((select last_value from keep.moment) / 1e6) as after
      from viewkeeper.runs where view_name = 'b_fits'`
  expect(fits).toEqual({ status: 'success', after: true })
})
