import { afterEach, expect, test, vi } from 'vitest'
import { serveMigrations } from '../../../src/api/lambda/migrate.ts'
import { schemaFolder, useDatabase } from '../../support/servers/database.ts'
import { definition, useFolders } from '../../support/views/frozen.ts'
import { refusalOf } from '../../support/waiting/refusal.ts'

// A first deploy on a database in which the tables of the views are still missing.

const folder = useFolders()
const { database, sql } = useDatabase({ migrated: false })

const deploy = async (viewMigrations: boolean, event: object = {}) => {
  const frozen = await folder('too early')
  const folders = { schema: schemaFolder, views: frozen.url }
  return serveMigrations(event, folders, {
    environment: 'test',
    database,
    administration: undefined,
    viewMigrations,
  })
}

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

const findView = () => sql`select matviewname from pg_matviews where schemaname = 'public'`

test('a deploy without the migrations of views succeeds, and a command applies them later', async () => {
  const frozen = await folder('too early')
  await frozen.freeze([definition('sales', 'select id from public.orders')])
  expect(await refusalOf(deploy(true))).toMatchObject({ code: 'MigrationFailed' })

  const schema = await deploy(false)
  expect(schema).not.toHaveProperty('views')
  expect(await sql`select from viewkeeper.migrations`).toHaveLength(0)
  expect(await findView()).toEqual([])

  await sql`create table public.orders as select 1 as id`
  expect(await deploy(false, { command: 'up' })).toMatchObject({
    views: { applied: [{ name: '001_sales', does: 'create' }] },
  })
  expect(await findView()).toEqual([{ matviewname: 'sales' }])
})

test('a deploy with them applies what the one without left out', async () => {
  const frozen = await folder('too early')
  await frozen.freeze([
    definition('sales', 'select id from public.orders'),
    definition('one', 'select 1 as id'),
  ])
  await deploy(false)
  expect(await findView()).toHaveLength(1)
  expect(await deploy(true)).toMatchObject({ views: { applied: [{ name: '002_one' }] } })
  expect(await findView()).toHaveLength(2)
})

test('a deploy publishes the numbers by which alarms know that monitor and sender live, and a command does not', async () => {
  vi.stubEnv('POWERTOOLS_DEV', 'true')
  vi.stubEnv('POWERTOOLS_METRICS_DISABLED', 'false')
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  const published = () => log.mock.calls.map(([line]) => JSON.parse(line)).filter((line) => '_aws' in line)
  await deploy(false, { command: 'up' })
  expect(published()).toEqual([])
  await deploy(false)
  expect(published()).toMatchObject([
    { ViewsSetAside: 0, environment: 'test' },
    { WaitingSeconds: expect.any(Number), environment: 'test' },
  ])
})
