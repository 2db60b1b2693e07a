import { describe, expect, test } from 'vitest'
import { deep } from '../../support/deep.ts'
import { makeGatedView, untilAtGate, withGateClosed } from '../../support/views/slow-view.ts'
import { until } from '../../support/waiting/until.ts'
import { freeze, useProjects } from './projects.ts'

const start = useProjects()

describe('checking', () => {
  test('for machines is JSON and nothing else', deep, async () => {
    const { project, sql } = await start()
    project.author('sales', 'select id from public.orders', `comment: 'c'`)
    await project.succeed(...freeze())
    const missing = await project.run(['drift', '--json'])
    expect(missing).toMatchObject({ code: 1, err: '' })
    expect(JSON.parse(missing.out)).toEqual({
      differences: [{ view: 'public.sales', kind: 'missing', message: 'it is not in this database' }],
      pending: ['001_sales'],
      unchecked: [],
    })
    await project.succeed('migrate', 'up')
    expect(JSON.parse(await project.succeed('drift', '--json'))).toEqual({
      differences: [],
      pending: [],
      unchecked: [],
    })
    await sql`create materialized view nobodys as select 1 as id`
    expect((await project.run(['drift', '--json'])).code).toBe(1)
    const ignoring = await project.succeed('drift', '--json', '--ignore-unmanaged')
    expect(JSON.parse(ignoring)).toEqual({ differences: [], pending: [], unchecked: [] })
    project.author('sales', 'select id from public.orders', `comment: 'd'`)
    const offline = await project.run(['drift', '--json', '--offline'])
    expect(offline.code).toBe(1)
    expect(JSON.parse(offline.out).differences).toMatchObject([{ view: 'public.sales', kind: 'unfrozen' }])
  })
})

describe('migrating', () => {
  test('leaves new views empty where it is told to, and check says so', deep, async () => {
    const { project, sql } = await start()
    project.author('sales', 'select id from public.orders')
    await project.succeed(...freeze())
    await project.succeed('migrate', 'up', '--no-data')
    expect(await sql`select ispopulated from pg_matviews`).toEqual([{ ispopulated: false }])
    expect((await project.run(['drift'])).out).toMatch(/✗ public\.sales +unpopulated/)
  })

  test('without anything frozen makes schema viewkeeper, and has nothing to do', async () => {
    const { project, sql } = await start()
    expect(await project.succeed('migrate', 'status')).toBe('  no migration is frozen yet\n')
    expect(await project.succeed('migrate', 'up')).toBe('  nothing to apply\n')
    expect(await sql`select to_regclass('viewkeeper.runs')::text as there`).toEqual([
      { there: 'viewkeeper.runs' },
    ])
  })

  test('down on a database that never was migrated has nothing to undo', deep, async () => {
    const { project } = await start()
    project.author('sales', 'select id from public.orders')
    await project.succeed(...freeze())
    expect(await project.succeed('migrate', 'down', '--yes')).toBe('  nothing to undo\n')
  })

  test('says after Ctrl-C what goes on, and the database applies it', async () => {
    const { project, sql } = await start()
    await makeGatedView(sql, 'gated')
    project.author('slow', 'select public.gated_gate() as id')
    await project.succeed(...freeze())
    await withGateClosed(sql, 'gated', async (open) => {
      expect(await project.run(['migrate', 'up'], { interrupt: untilAtGate(sql, 'gated') })).toEqual({
        code: 130,
        out: 'what migrate up has begun may go on without you\n  look again: viewkeeper migrate status\n',
        err: '',
      })
      await open()
    })
    await until('the migration is applied', async () => {
      const [applied] = await sql`select from viewkeeper.migrations`
      return applied
    })
    expect(await project.succeed('migrate', 'status')).toMatch(/✓ 001_slow {3}/)
  })
})
