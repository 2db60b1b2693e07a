import { afterEach, expect, test, vi } from 'vitest'
import { handler as migrate } from '../../../functions/migrate.ts'
import { handler as monitor } from '../../../functions/monitor.ts'
import { readSilence } from '../../../src/record/watch/looks.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { silenceOf } from '../../../src/watch/plan/silence.ts'
import { lambdaContext } from '../../support/aws/lambda.ts'
import { insertRow } from '../../support/record/rows.ts'
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
  const error = { class: 'BatchLost', message: 'gone' }
  await insertRow(sql, 'batches', { trigger: 'http', status: 'failed', finishedAt: new Date(), error })
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
    return lines.filter(({ text }) => text.includes('--hotswap'))
  }
  expect(await said('0')).toEqual([])
  expect(await said('2')).toEqual([
    {
      text: expect.stringMatching(/^migration 2 is deployed, .* Apply it$/),
      next: expect.stringMatching(/^viewkeeper migrate up( --env \S+)?$/),
    },
  ])
  for (const number of [1, 2])
    await insertRow(sql, 'migrations', { number, name: `00${number}`, checksum: '' })
  expect(await said('2')).toEqual([])
})
