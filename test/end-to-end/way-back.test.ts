// @module-tag deep

import { describe, expect, test } from 'vitest'
import type { Sql } from '../../src/server/database.ts'
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
    const checked = await project.run(['drift'])
    expect(checked.code).toBe(1)
    expect(checked.out).toMatch(/✗ public\.by_total +missing +it is not in this database\n/)
    expect(checked.out).toContain(
      '  somebody has dropped public.sales, public.by_total: `npx viewkeeper migrate up --repair` makes them again\n',
    )
    expect(await project.succeed('migrate', 'up', '--repair')).toMatch(
      /^ {2}✓ public\.sales {3}made again {3}[\d.]+ s {3}run 3\n {2}✓ public\.by_total {3}made again {3}[\d.]+ s {3}run 4\n {2}2 views made again\n {2}nothing to apply\n$/,
    )
    expect(await project.succeed('drift')).toContain('2 views: authored, frozen and live are the same\n')
    expect(await project.succeed('migrate', 'up', '--repair')).toBe('  nothing to apply\n')
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
    expect(await project.succeed('drift')).toBe(same)
    await project.succeed('migrate', 'down', '--yes')
    const { code, out } = await project.run(['drift'])
    expect({ code, out }).toEqual({
      code: 1,
      out:
        '  ✗ public.sales   unapplied   schedule, timeZone changed in 002_sales, which is not applied to this database\n' +
        '  1 difference in 1 view\n  not applied to this database: 002_sales\n',
    })
    await project.succeed('migrate', 'up')
    expect(await project.succeed('drift')).toBe(same)
  })
})
