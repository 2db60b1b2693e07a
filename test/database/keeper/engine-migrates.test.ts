import { expect, onTestFinished, test } from 'vitest'
import { createKeeper } from '../../../src/engine.ts'
import { useDatabase } from '../../support/servers/database.ts'
import { until } from '../../support/waiting/until.ts'

const { url, sql } = useDatabase({ migrated: false })

test('a fresh database is told what to call, which brings schema viewkeeper up to date once', async () => {
  const lines: unknown[] = []
  const note = (message: string, { problem }: Record<string, unknown>) => void lines.push([message, problem])
  const logger = { info: note, warn: note, error: note }
  const keeper = await createKeeper({ databaseUrl: url, allowSuperuser: true, logger })
  onTestFinished(keeper.stop)
  const what = 'Schema viewkeeper of the database is missing or old: call keeper.migrate() first.'
  for (const work of [keeper.listViews, () => keeper.refreshView({ view: 'sales' }), keeper.refreshAll])
    await expect(work()).rejects.toMatchObject({
      code: 'NotMigrated',
      message: what,
      details: { sqlstate: '42P01' },
    })
  keeper.start()
  await until('the log says so, too', async () => lines.some((line) => String(line).endsWith(what)))
  const [first, second] = [await keeper.migrate(), await keeper.migrate()]
  expect(first.applied).toContain('001_schema')
  expect(second).toEqual({ applied: [], ahead: [] })
  await sql`create materialized view sales as select 1 as one`
  expect(await keeper.refreshAll()).toMatchObject({ status: 'success', views: [{ view: 'public.sales' }] })
  await until('it leads', async () => lines.some((line) => String(line).startsWith('leads')))
})
