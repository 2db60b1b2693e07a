import { beforeEach, expect, test } from 'vitest'
import { handler as monitor } from '../../../functions/monitor.ts'
import { refresh } from '../../../src/run/refresh.ts'
import { lambdaContext } from '../../support/aws/lambda.ts'
import { callOn } from '../../support/servers/database.ts'
import { useHistory, usePublished } from './past.ts'

const { url, database, clear } = useHistory()
const { lines, published } = usePublished(url)
const context = lambdaContext()

beforeEach(clear)

test('a run that was refused before it started fails unnoticed only if nobody got the answer', async () => {
  const refused = { view: 'steady', strategy: 'concurrent' } as const
  expect((await refresh(refused, callOn(database))).error?.class).toBe('UniqueIndexRequired')
  await refresh(refused, callOn(database, { trigger: 'cli' }))
  await monitor({}, context)
  expect(published('RunsFailed')).toEqual([0])
  const ended = lines.filter(({ message }) => message === 'run ended')
  expect(ended.map(({ level, status, class: code }) => [level, status, code])).toEqual([
    ['INFO', 'failed', 'UniqueIndexRequired'],
    ['INFO', 'failed', 'UniqueIndexRequired'],
  ])

  lines.length = 0
  await refresh(refused, callOn(database, { trigger: 'schedule' }))
  await monitor({}, context)
  expect(published('RunsFailed')).toEqual([1])
})
