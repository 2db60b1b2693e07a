import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { planLines } from '../../../cli/output/plan.ts'
import { handler as api } from '../../../functions/api.ts'
import { plan as planSchema } from '../../../src/edge/http/schemas/answers.ts'
import { pauseAll } from '../../../src/operations/views/pause.ts'
import { plain } from '../../../src/terminal/paint.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/aws/lambda.ts'
import { define } from '../../support/views/batches.ts'
import { useHistory } from './past.ts'

const { url, database, sql, clear, writePast } = useHistory()

beforeAll(async () => {
  vi.stubEnv('DATABASE_URL', url)
  await sql`create materialized view above as select id from steady`
  await define(sql, 'public.above', { target_lag_seconds: 600, in_all: false })
  await define(sql, 'public.steady', { in_all: false })
  await define(sql, 'public.shaky', { schedule: '*/10 * * * *', time_zone: 'UTC', in_all: false })
  await define(sql, 'public.quiet', { in_all: true })
  await define(sql, 'public.fresh', { in_all: true, paused_at: new Date() })
})
beforeEach(clear)
afterAll(() => {
  vi.unstubAllEnvs()
})

const get = async () =>
  planSchema.parse(parsed((await api(httpEvent('GET /plan'), lambdaContext())) as never).body)

test('the plan says which schedules have a turn, what each refreshes and takes, and what target lags refresh for whom', async () => {
  const ran = (view: string, durationMs: number) =>
    Array.from({ length: 25 }, (_, at) => ({ view, durationMs, ago: `${at + 1} hours` }))
  await writePast([...ran('shaky', 60_000), ...ran('quiet', 5000)])
  vi.stubEnv('SCHEDULES', '{"nightly":{"at":"02:30"},"views":true,"looks":{"everySeconds":60}}')
  const { schedules, lags, from } = await get()
  expect(schedules).toMatchObject([
    { schedule: '*/10 * * * *', by: 'view', count: 144, views: ['public.shaky'], usualMs: 60_000 },
    { schedule: '30 2 * * *', by: 'nightly', count: 1, views: ['public.quiet'], usualMs: 5000 },
  ])
  for (const { first } of schedules) expect(Date.parse(first)).toBeGreaterThan(Date.parse(from))
  expect(lags).toEqual([
    { view: 'public.above', lagMs: 600_000, for: null },
    { view: 'public.steady', lagMs: 600_000, for: 'public.above' },
  ])
  const lines = planLines({ from, paused: false, schedules, lags }, { width: 120, paint: plain } as never)
  expect(lines[0]).toMatch(/: 145 turns of schedules$/)
  expect(lines[3]).toMatch(/144 {2}\*\/10 \* \* \* \* UTC +60 s +shaky/)
  expect(lines).toContain('steady: whenever its data become 10 min old, for above')
})

test('without schedules it is empty; while everything is paused it is as if it were not', async () => {
  vi.stubEnv('SCHEDULES', undefined)
  expect(await get()).toMatchObject({ schedules: [], lags: [], paused: false })
  vi.stubEnv('SCHEDULES', '{"nightly":{"at":"02:30"},"views":true}')
  await pauseAll(database, true, 'test')
  expect(await get()).toMatchObject({ paused: true, schedules: [{ count: 144 }, { count: 1 }] })
  await pauseAll(database, false, 'test')
})
