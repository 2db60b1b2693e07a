import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { deep } from '../support/deep.ts'
import { useRds } from '../support/servers/rds.ts'
import { Project } from './support/project.ts'

const fresh = useRds()

/** A table under three views, on a server whose master is no superuser. */
async function shop() {
  const rds = await fresh()
  await rds.run(
    'master',
    `set search_path to public;
     create table orders (id integer, day date, amount integer, status text);
     insert into orders select i, date '2026-01-01' + i % 3, i, 'paid' from generate_series(1, 9) i;
     create view paid as select day, amount from orders where status = 'paid';
     create materialized view day_totals as select day, sum(amount) as total from paid group by day;
     create unique index day_totals_key on day_totals (day);
     comment on materialized view day_totals is 'per day';
     create materialized view other as select id from orders`,
  )
  const project = new Project(rds.url)
  project.write('widen.sql', 'alter table orders alter column amount type numeric(12, 2);\n')
  project.write('drop.sql', 'alter table orders drop column status;\n')
  const type = async () =>
    (
      await rds.sql`select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'orders'::regclass and attname = 'amount'`
    )[0]?.type
  const totals = async () =>
    (await rds.sql`select total::int from day_totals order by day`).map(({ total }) => total)
  return { ...rds, project, type, totals }
}

describe('viewkeeper alter', () => {
  test('shows the plan, tries, changes the table and fills the views', async () => {
    const { project, type, totals } = await shop()
    const plan = await project.succeed('alter', 'widen.sql', '--dry-run')
    expect(plan).toMatch(
      /^ {2}2 objects stand in the way of widen\.sql; they go from the last to the first:\n {4}1 {3}view public\.paid +made again +reads public\.orders\n {4}2 {3}materialized view public\.day_totals +\d+ kB +made again and filled +reads public\.paid\n {2}locks: access exclusive on these views and on public\.orders, from the drop until all is back\.\n {2}Readers of any of them wait the whole time\. .*\n {2}✓ tried and undone {3}[\d.]+ s\n {2}nothing was changed\n$/,
    )
    expect(await type()).toBe('integer')
    const done = await project.succeed('alter', 'widen.sql')
    expect(done.slice(plan.indexOf('  ✓ tried'))).toMatch(
      /^ {2}filling public\.day_totals\n {2}✓ widen\.sql is done; 2 objects made again {3}[\d.]+ s\n$/,
    )
    expect([await type(), await totals()]).toEqual(['numeric(12,2)', [18, 12, 15]])
  })
})

describe('viewkeeper set-aside and put-back', () => {
  const tool = fileURLToPath(
    new URL('../../node_modules/node-pg-migrate/bin/node-pg-migrate.js', import.meta.url),
  )

  test('let node-pg-migrate, on a connection of its own, alter a column under the views', deep, async () => {
    const { project, url, type, totals, sql } = await shop()
    project.write(
      'tool/1000_widen.js',
      `export const up = (pgm) => pgm.alterColumn('orders', 'amount', { type: 'bigint' })\nexport const down = false\n`,
    )
    const nodePgMigrate = () =>
      promisify(execFile)(process.execPath, [tool, 'up', '--migrations-dir', 'tool', '--check-order=false'], {
        cwd: project.folder,
        env: { PATH: process.env.PATH, DATABASE_URL: url },
      })
    await expect(nodePgMigrate()).rejects.toThrow(/cannot alter type of a column used by a view or rule/)

    expect(await project.succeed('set-aside', '--reading', 'orders')).toMatch(
      /^ {2}✓ filled for a trial and undone {3}[\d.]+ s\n {2}✓ view public\.paid {3}set aside\n {2}✓ materialized view public\.day_totals {3}set aside\n {2}✓ materialized view public\.other {3}set aside\n {2}3 objects are aside: readers get an error until you run: npx viewkeeper put-back\n$/,
    )
    await nodePgMigrate()
    expect(await type()).toBe('bigint')
    const listed = JSON.parse(await project.succeed('put-back', '--dry-run', '--json'))
    expect(listed.aside).toMatchObject([
      { name: 'public.paid', reading: ['public.orders'], by: 'master' },
      { name: 'public.day_totals' },
      { name: 'public.other' },
    ])
    expect(await project.succeed('put-back')).toMatch(
      /^ {2}filling public\.day_totals\n {2}filling public\.other\n {2}✓ public\.paid {3}made again\n {2}✓ public\.day_totals {3}made again\n {2}✓ public\.other {3}made again\n {2}3 objects back {3}[\d.]+ s\n$/,
    )
    expect(await totals()).toEqual([18, 12, 15])
    expect(
      await sql`select obj_description('day_totals'::regclass) as comment, to_regclass('day_totals_key') is not null as indexed`,
    ).toEqual([{ comment: 'per day', indexed: true }])
    expect(await project.succeed('put-back')).toBe('  nothing is set aside\n')
  })
})
