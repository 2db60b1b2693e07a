import { expect, test } from 'vitest'
import { runsPath } from '../../../page/app/runs/run-query.ts'
import { joinRuns, pointsOf } from '../../../page/app/view/runs.ts'

const run = (id: number, more: object = {}) =>
  ({
    id,
    status: 'success',
    operation: 'refresh',
    finishedAt: `2026-11-20T09:00:${10 + id}Z`,
    durationMs: id,
    ...more,
  }) as never

test('runs of two lists are there once, in their newer form, newest first', () => {
  const joined = joinRuns([run(3), run(2, { status: 'success' })], [run(2, { status: 'running' }), run(1)])
  expect(joined.map(({ id, status }) => `${id} ${status}`)).toEqual(['3 success', '2 success', '1 success'])
})

test('only successful refreshes that have the number are points, oldest first', () => {
  const runs = [
    run(5),
    run(4, { status: 'failed' }),
    run(3, { operation: 'create' }),
    run(2, { durationMs: null }),
    run(1),
  ]
  const start = Date.parse('2026-11-20T09:00:10Z') / 1000
  expect(pointsOf(runs, ({ durationMs }) => durationMs)).toEqual({
    ids: [1, 5],
    at: [start + 1, start + 5],
    values: [1, 5],
  })
})

test('a day that the address names narrows the runs only if it is one', () => {
  expect(runsPath({ q: 'a*b' }, 0)).toBe('/runs?pattern=*a*b*&limit=100')
  expect(runsPath({ q: '"a*b"' }, 0)).toBe('/runs?pattern=*.%22a*b%22&limit=100')
  expect(runsPath({ day: '2026-11-20' }, 0)).toContain('since=2026-11-20T00%3A00%3A00.000Z')
  for (const day of ['275760-09-13', '+275760-09-13', '2026-13-40', 'yesterday'])
    expect(runsPath({ day }, 0)).toBe('/runs?limit=100')
})
