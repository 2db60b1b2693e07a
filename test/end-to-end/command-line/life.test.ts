// @module-tag deep

import { describe, expect, test } from 'vitest'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { Project } from '../support/project.ts'
import { freeze, useProjects } from './projects.ts'

const start = useProjects()

describe('the life of a view', () => {
  test('from its first line to its last', async () => {
    const { project, sql } = await start()
    project.author(
      'sales',
      'select id, total from public.orders',
      `uniqueKey: ['id'], comment: 'Sales of each order.', grants: [{ privileges: ['select'], to: 'public' }]`,
    )

    expect(await project.refused('drift')).toBe('')
    expect(await project.succeed(...freeze())).toBe(
      '  ✓ public.sales   new   valid on DATABASE_URL, up and down (rolled back, not filled), 1 index, 1 grant\n' +
        '  wrote migrations/001_sales.up.sql and .down.sql\n',
    )
    expect(await sql`select to_regclass('sales') as there`).toEqual([{ there: null }])
    expect(await project.succeed('migrate', 'status')).toBe('  · 001_sales   not applied\n')
    const missing = await project.run(['drift'])
    expect(missing).toMatchObject({ code: 1, err: '' })
    expect(missing.out).toMatch(
      /✗ public\.sales +missing +it is not in this database\n.*1 difference in 1 view\n.*not applied to this database: 001_sales/,
    )

    expect(await project.succeed('migrate', 'up')).toMatch(
      /^ {2}✓ 001_sales {3}created {3}[\d.]+ s {3}run 1\n {2}1 migration applied\n$/,
    )
    expect(await sql`select count(*)::int as n from sales`).toEqual([{ n: 30 }])
    expect(await project.succeed('drift')).toBe('  ✓ 1 view: authored, frozen and live are the same\n')
    expect(await project.succeed('migrate', 'up')).toBe('  nothing to apply\n')
    expect(await project.succeed('migrate', 'status')).toMatch(
      /^ {2}✓ 001_sales {3}\d{4}-\d\d-\d\d \d\d:\d\d UTC, run 1\n$/,
    )

    await sql`create view shop_sales as select id from sales`
    await sql`create index by_hand on sales (total)`
    project.write('views/sales.sql', 'select id, total, shop\n  from public.orders -- by shop\n')
    expect
      .soft((await project.run(['drift', '--offline'])).out)
      .toMatch(/✗ public\.sales +unfrozen +query changed since 001_sales/)
    expect(await project.succeed(...freeze())).toMatch(
      /✓ public\.sales {3}query changed {3}valid on DATABASE_URL, up and down \(rolled back, not filled\), 1 dependent kept, 2 indexes, 1 grant\n/,
    )
    expect(await project.succeed('migrate', 'up')).toMatch(/✓ 002_sales {3}rebuilt/)
    expect((await project.run(['drift'])).out).toMatch(
      /✗ public\.sales +index +it has index by_hand, which is not frozen/,
    )
    await sql`drop index by_hand`
    expect(await project.succeed('drift')).toContain('are the same')
    expect(await sql`select shop from sales where id = 1`).toEqual([{ shop: 1 }])

    expect(await project.succeed('migrate', 'down', '--yes')).toMatch(
      /✓ 002_sales {3}put back.*\n {2}1 migration undone\n$/,
    )
    expect((await project.run(['drift'])).code).toBe(1)
    expect(await project.succeed('migrate', 'up')).toContain('002_sales   rebuilt')
    expect(await project.succeed('drift')).toContain('are the same')

    project.unauthor('sales')
    project.author('turnover', 'select id, total, shop from public.orders', `uniqueKey: ['id']`)
    expect(await project.refused(...freeze())).toBe(
      'views/: public.sales: frozen, but no longer authored. Add --remove sales, or --rename sales=new_name, for each.',
    )
    const renamed = await project.succeed(...freeze('--rename', 'sales=turnover'))
    expect(renamed).toMatch(
      /✓ public\.turnover {3}rename .*\n.*✓ public\.turnover {3}comment .+ → none, indexes, grants changed/,
    )
    expect(await project.succeed('migrate', 'up')).toMatch(
      /003_turnover {3}renamed.*\n.*004_turnover {3}altered/,
    )
    expect(await sql`select count(*)::int as n from shop_sales`).toEqual([{ n: 30 }])
    expect(await project.succeed('drift')).toContain('are the same')

    await sql`drop view shop_sales`
    project.unauthor('turnover')
    expect(await project.succeed(...freeze('--remove', 'turnover'))).toContain('✓ public.turnover   drop')
    expect(await project.succeed('migrate', 'up')).toContain('005_remove_turnover   dropped')
    expect(await project.succeed('drift')).toBe('  ✓ 0 views: authored, frozen and live are the same\n')
    expect(await sql`select from pg_matviews`).toEqual([])

    expect(await project.succeed('migrate', 'down', '99', '--yes')).toMatch(
      /005_remove_turnover {3}made again.*\n.*004_turnover {3}put back.*\n.*003_turnover {3}renamed back.*\n.*002_sales {3}put back.*\n.*001_sales {3}dropped.*\n {2}5 migrations undone\n$/,
    )
    expect(await project.succeed('migrate', 'down', '--yes')).toBe('  nothing to undo\n')
    expect(await project.succeed('migrate', 'up')).toContain('5 migrations applied')
    expect(project.files('migrations')).toHaveLength(10)
  })
})

describe('a database that was migrated from another folder', () => {
  test('is left alone, by whatever command, and nothing is written for it', async () => {
    const { project: theirs, sql, url } = await start()
    theirs.author('sales', 'select id from public.orders')
    await theirs.succeed(...freeze())
    await theirs.succeed('migrate', 'up')
    const before = await wholeCatalog(sql)
    const message =
      'migrations/: this database was migrated from another folder. The database has 001_sales. ' +
      'Work in that folder, or on a database of your own. (The database of `npm start` was migrated from local/demo.)'

    const mine = new Project(url)
    expect(await mine.refused('migrate', 'status')).toBe(message)
    mine.author('mine', 'select id from public.orders')
    expect(await mine.refused(...freeze())).toBe(message)
    expect(await mine.refused('adopt', '--all')).toBe(message)
    expect(mine.files('migrations')).toEqual([])
    expect(mine.files('views')).toEqual(['mine.sql', 'mine.ts'])

    await mine.succeed(...freeze('--unverified'))
    for (const command of [
      ['drift'],
      ['migrate', 'up'],
      ['migrate', 'down', '--yes'],
      ['migrate', 'status'],
    ]) {
      expect(await mine.refused(...command), command.join(' ')).toBe(message)
    }
    expect(await wholeCatalog(sql)).toEqual(before)
  })
})
