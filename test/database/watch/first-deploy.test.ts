import { afterEach, expect, test, vi } from 'vitest'
import { handler as migrate } from '../../../functions/migrate.ts'
import { handler as monitor } from '../../../functions/monitor.ts'
import { readSilence } from '../../../src/record/watch/looks.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { silenceOf } from '../../../src/watch/plan/silence.ts'
import { lambdaContext } from '../../support/aws/lambda.ts'
import { callOn, useDatabase } from '../../support/servers/database.ts'
import { usePublished } from './past.ts'

const { url, database, sql } = useDatabase()
const { lines, published } = usePublished(url)
const context = lambdaContext()

afterEach(() => vi.unstubAllEnvs())

test('a first deploy publishes no failure of the time before; after it each failure is published', async () => {
  await sql`create materialized view broken as select 1 / (count(*) - count(*)) as x from pg_class with no data`
  const fail = () => refresh({ view: 'broken' }, callOn(database))
  await fail()
  await sql`
    insert into viewkeeper.batches (trigger, selection, status, finished_at, error)
    values ('http', '{"all":true}', 'failed', now(), '{"class":"BatchLost","message":"gone"}')`
  await migrate({}, context)
  await monitor({}, context)
  expect([published('RunsFailed'), published('BatchesLost')]).toEqual([[0], [0]])

  lines.length = 0
  await fail()
  await migrate({}, context) // the next deploy
  expect(await monitor({}, context)).toMatchObject({ publishedRuns: 1 })
  expect(published('RunsFailed')).toEqual([1])
})

test('a hotswap, which deploys migrations and applies none, is said until a deploy applies them', async () => {
  const said = async (newest: string) => {
    vi.stubEnv('NEWEST_MIGRATION', newest)
    await monitor({}, context)
    const { lines } = silenceOf(await database.withConnection((connection) => readSilence(connection)), null)
    return lines.filter((line) => line.includes('--hotswap'))
  }
  expect(await said('0')).toEqual([])
  expect(await said('2')).toEqual([
    expect.stringMatching(/^migration 2 is deployed, .* Apply it: viewkeeper migrate up( --env \S+)?$/),
  ])
  await sql`insert into viewkeeper.migrations (number, name, checksum) values (1, '001_a', ''), (2, '002_b', '')`
  expect(await said('2')).toEqual([])
})
