import { describe, expect, test } from 'vitest'
import type { Sql } from '../../src/server/connect.ts'
import { freeze, useProjects } from './command-line/projects.ts'
import type { Project } from './support/project.ts'

const startEmpty = useProjects()

/** A project with a frozen and applied view `sales`, and a superuser's connection to its database. */
async function start(): Promise<{ project: Project; sql: Sql }> {
  const { project, sql } = await startEmpty()
  project.author('sales', 'select id, total from public.orders', `uniqueKey: ['id']`)
  await project.succeed(...freeze())
  await project.succeed('migrate', 'up')
  return { project, sql }
}

const same = '  ✓ 1 view: authored, frozen and live are the same\n'

describe('what freeze says of the way back is what migrate then does', () => {
  test('a hot fix is frozen where it was made', async () => {
    const { project, sql } = await start()
    await sql.unsafe(`
      drop materialized view sales;
      create materialized view sales as select id, total from orders where total > 0;
      create unique index sales_key on sales (id)`)
    project.author('sales', 'select id, total from public.orders where total > 0', `uniqueKey: ['id']`)
    expect(await project.succeed(...freeze())).toBe(
      '  ✓ public.sales   query changed   valid on DATABASE_URL, up and down (rolled back, not filled), the view is in this ' +
        'state already, 1 index\n  wrote migrations/002_sales.up.sql and .down.sql\n',
    )
    expect(await project.succeed('migrate', 'up')).toMatch(/✓ 002_sales {3}recorded\n/)
    expect(await project.succeed('check')).toBe(same)
    expect(await project.succeed('migrate', 'down')).toMatch(/✓ 002_sales {3}put back/)
    expect(await project.succeed('migrate', 'up')).toMatch(/✓ 002_sales {3}rebuilt/)
    expect(await project.succeed('check')).toBe(same)
  })

  test('after a base column was renamed, the down file holds the view as it is now', async () => {
    const { project, sql } = await start()
    await sql`alter table orders rename total to amount`
    project.author('sales', 'select id, amount from public.orders', `uniqueKey: ['id']`)
    expect(await project.succeed(...freeze())).toBe(
      '  ✓ public.sales   query changed   valid on DATABASE_URL, up and down (rolled back, not filled), 1 index\n' +
        '  ! public.sales: what was frozen before does not run here any more: column "total" does not exist (42703). The ' +
        'down file makes the view as it is now.\n' +
        '  wrote migrations/002_sales.up.sql and .down.sql\n',
    )
    expect(project.read('migrations/002_sales.down.sql')).toContain('amount AS total')
    await project.succeed('migrate', 'up')
    expect(await project.succeed('check')).toBe(same)
    await project.succeed('migrate', 'down')
    expect(await sql`select total from sales where id = 1`).toEqual([{ total: 10 }])
    expect(await project.succeed('migrate', 'up')).toMatch(/✓ 002_sales {3}rebuilt/)
  })

  test('a difference that the change overwrites is told, and a way back that is barred is not promised', async () => {
    const { project, sql } = await start()
    await sql`drop materialized view sales`
    await sql`create materialized view sales as select id, total, shop from orders`
    project.author('sales', 'select id, total * 2 as total from public.orders', `uniqueKey: ['id']`)
    expect(await project.succeed(...freeze())).toContain(
      '  ! public.sales differs from what was frozen before: its query is not the frozen one; it has column shop, which is not ' +
        'frozen; it lacks index sales_key. The up file overwrites this, and the down file makes what was frozen. If the view is ' +
        'to stay as it is, freeze that first.\n',
    )
    project.remove('migrations/002_sales.up.sql')
    project.remove('migrations/002_sales.down.sql')
    await sql`create unique index sales_key on sales (id)`
    await sql`create materialized view reader as select shop from sales`
    project.author('sales', 'select id, total, shop from public.orders', `uniqueKey: ['id']`)
    const printed = await project.succeed(...freeze('sales'))
    expect(printed).toContain(
      'valid on DATABASE_URL, up (rolled back, not filled), the view is in this state already',
    )
    expect(printed).toMatch(
      / {2}! public\.sales: the way back does not work in this database as it is now: public\.reader reads column shop of public\.sales, which the new query does not have/,
    )
  })
})

describe('somebody has dropped views', () => {
  test('migrate up, status and check name them; with --repair they are made again, and a second time nothing is done', async () => {
    const { project, sql } = await start()
    project.author('by_total', 'select total, count(*) as n from public.sales group by total')
    await project.succeed(...freeze())
    await project.succeed('migrate', 'up')
    await sql`drop materialized view sales cascade`
    const missing =
      '  ✗ public.sales   missing   somebody has dropped it; 001_sales made it\n' +
      '  ✗ public.by_total   missing   somebody has dropped it; 002_by_total made it\n' +
      '  `npx viewkeeper migrate up --repair` makes again what is missing\n'
    expect(await project.succeed('migrate', 'up')).toBe(`  nothing to apply\n${missing}`)
    expect(await project.succeed('migrate', 'status')).toContain(missing)
    const checked = await project.run(['check'])
    expect(checked.code).toBe(1)
    expect(checked.out).toMatch(/✗ public\.by_total +missing +it is not in this database\n/)
    expect(checked.out).toContain(
      '  somebody has dropped public.sales, public.by_total: `npx viewkeeper migrate up --repair` makes them again\n',
    )
    expect(await project.succeed('migrate', 'up', '--repair')).toMatch(
      /^ {2}✓ public\.sales {3}made again {3}[\d.]+ s {3}run 3\n {2}✓ public\.by_total {3}made again {3}[\d.]+ s {3}run 4\n {2}2 views made again\n {2}nothing to apply\n$/,
    )
    expect(await project.succeed('check')).toContain('2 views: authored, frozen and live are the same\n')
    expect(await project.succeed('migrate', 'up', '--repair')).toBe('  nothing to apply\n')
  })

  test('one that cannot be made again is named with the reason, and the exit code is 1', async () => {
    const { project, sql } = await start()
    await sql`drop table orders cascade`
    const { code, out } = await project.run(['migrate', 'up', '--repair'])
    expect({ code, out }).toEqual({
      code: 1,
      out: '  nothing to apply\n  ✗ public.sales   missing   relation "public.orders" does not exist (42P01).\n',
    })
  })
})

describe('after migrate down of what the catalog does not show', () => {
  test('check says that it is not applied, and not that all is the same', async () => {
    const { project } = await start()
    project.author(
      'sales',
      'select id, total from public.orders',
      `uniqueKey: ['id'], schedule: '0 6 * * *', timeZone: 'UTC'`,
    )
    await project.succeed(...freeze())
    await project.succeed('migrate', 'up')
    expect(await project.succeed('check')).toBe(same)
    await project.succeed('migrate', 'down')
    const { code, out } = await project.run(['check'])
    expect({ code, out }).toEqual({
      code: 1,
      out:
        '  ✗ public.sales   unapplied     schedule, timeZone changed in 002_sales, which is not applied to this database\n' +
        '  1 difference in 1 view\n  not applied to this database: 002_sales\n',
    })
    await project.succeed('migrate', 'up')
    expect(await project.succeed('check')).toBe(same)
  })
})
