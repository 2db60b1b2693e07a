import { readFileSync } from 'node:fs'
import remarkGfm from 'remark-gfm'
import remarkParse from 'remark-parse'
import { unified } from 'unified'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { wholeCatalog } from '../../support/catalog/whole-catalog.ts'
import { deep } from '../../support/deep.ts'
import { freeze, useProjects } from './projects.ts'

const start = useProjects()

const nothing =
  '  nothing has changed since it was frozen; nothing was written. viewkeeper drift compares it with a database\n'

describe('freezing', () => {
  test('twice writes once, and not at all for white space, comments and the order of fields', async () => {
    const { project } = await start()
    project.author('sales', 'select id, total from public.orders', `retries: 2, comment: 'c'`)
    await project.succeed(...freeze())
    const before = project.files('migrations')
    expect(await project.succeed(...freeze())).toBe(nothing)
    project.author('sales', 'SELECT id,\n total -- all\nFROM public.orders', `comment: 'c', retries: 2`)
    expect(await project.succeed(...freeze())).toBe(nothing)
    expect(project.files('migrations')).toEqual(before)
  })

  test('writes views that read each other in the order in which they can be made', deep, async () => {
    const { project, sql } = await start()
    project.author('a_last', 'select count(*) as n from public.b_middle, public.c_first')
    project.author('b_middle', 'select id from public.c_first')
    project.author('c_first', 'select id from public.orders')
    await project.succeed(...freeze())
    expect(project.files('migrations').filter((file) => file.endsWith('.up.sql'))).toEqual([
      '001_c_first.up.sql',
      '002_b_middle.up.sql',
      '003_a_last.up.sql',
    ])
    await project.succeed('migrate', 'up')
    expect(await sql`select n::int from a_last`).toEqual([{ n: 900 }])
  })

  test('takes the word of a view that says what it reads in functions', deep, async () => {
    const { project, sql } = await start()
    await sql.unsafe(`create function counted() returns bigint language plpgsql as
      'begin return (select count(*) from public."Base"); end'`)
    project.author('Above', 'select counted() as n', `dependsOn: ['public."Base"']`)
    project.author('Base', 'select id from public.orders')
    await project.succeed(...freeze())
    expect(project.files('migrations').filter((file) => file.endsWith('.up.sql'))).toEqual([
      '001_+base.up.sql',
      '002_+above.up.sql',
    ])
  })

  test(
    'removes views in the order in which they can go, whenever they were frozen and whatever they were called',
    deep,
    async () => {
      const { project, sql } = await start()
      project.author('below', 'select id from public.orders')
      project.author('above', 'select id from public.below')
      await project.succeed(...freeze())
      project.unauthor('below')
      project.author('base', 'select id from public.orders')
      project.author('above', 'select id from public.base')
      await project.succeed(...freeze('--rename', 'below=base'))
      await project.succeed('migrate', 'up')
      for (const name of ['base', 'above']) project.unauthor(name)
      await project.succeed(...freeze('--remove', 'base', 'above'))
      await project.succeed('migrate', 'up')
      expect(await sql`select from pg_matviews`).toEqual([])
    },
  )

  test('writes nothing where one of several does not run, and says where in which view', async () => {
    const { project, sql } = await start()
    project.author('fine', 'select id from public.orders')
    project.author('wrong', 'select id,\n       nothing\n  from public.fine')
    const before = await wholeCatalog(sql)
    expect(await project.refused(...freeze())).toMatch(/^public\.wrong, line 2 .*"nothing".*42703/)
    expect(project.files('migrations')).toEqual([])
    expect(await wholeCatalog(sql)).toEqual(before)
  })

  test('is shown on a pull request by the step of the docs, as Markdown without rows', deep, async () => {
    const { project, sql } = await start()
    project.author('sales', 'select id, total from public.orders', `uniqueKey: ['id']`)
    await project.succeed(...freeze())
    await project.succeed('migrate', 'up')
    await sql`refresh materialized view sales`
    project.author('sales', 'select id, total + 1234567 as total from public.orders', `uniqueKey: ['id']`)
    await project.succeed(...freeze())

    const docs = readFileSync(new URL('../../../docs/checks.md', import.meta.url), 'utf8')
    const [, block] = /```yaml\n([\s\S]+?)```/.exec(docs) as unknown as [string, string]
    const [step] = parse(block) as [{ run: string }]
    const { code, err } = await project.shell(step.run, { GITHUB_STEP_SUMMARY: 'summary.md' })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const summary = project.read('summary.md')
    const tables = unified().use(remarkParse).use(remarkGfm).parse(summary).children
    expect(tables.filter(({ type }) => type === 'table')).toHaveLength(2)
    expect(summary).toMatch(/^\| public\.sales \| unapplied|^\| public\.sales \| query /m)
    expect(summary).toMatch(/^\| changed in total \| 30 \| 100\.00 % \|$/m)
    expect(summary).not.toContain('12345')

    const away = { GITHUB_STEP_SUMMARY: 'summary.md', DATABASE_URL: 'postgres://a:b@127.0.0.1:1/x' }
    expect((await project.shell(step.run, away)).code).toBe(1)
  })

  test('takes only the views that are named', async () => {
    const { project } = await start()
    for (const name of ['one', 'two']) project.author(name, 'select id from public.orders')
    await project.succeed(...freeze('two'))
    expect(project.files('migrations')).toEqual(['001_two.down.sql', '001_two.up.sql'])
  })

  test('says of a limit that the schedules cannot keep what `why` will say', async () => {
    const { project } = await start()
    project.author('minute', 'select id from public.orders')
    const definition = project.read('views/minute.ts')
    project.write('views/minute.ts', definition.replace(/name: '[^']*'/, '$&, maxStalenessSeconds: 60'))
    expect(await project.succeed(...freeze())).toContain(
      'public.minute: its limit of 60 s cannot be kept: up to 24 h lie between two turns of its schedules',
    )
    project.write('views/minute.ts', definition.replace(/name: '[^']*'/, '$&, targetLagSeconds: 60'))
    expect(await project.succeed(...freeze())).toContain(
      'public.minute: its target lag of 60 s cannot be kept: the monitor looks every 60 s. Write targetLagSeconds: 120 or more',
    )
  })
})
