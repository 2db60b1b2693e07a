import { expect, test } from 'vitest'
import { runsAsked } from '../../../page/pages/runs.tsx'
import { pointsOf } from '../../../page/pictures/timeline.tsx'

const run = (id: number, more: object = {}) =>
  ({
    id,
    status: 'success',
    operation: 'refresh',
    finishedAt: `2026-11-20T09:00:${10 + id}Z`,
    durationMs: id,
    ...more,
  }) as never

test('only successful refreshes that have the number are points, oldest first', () => {
  const runs = [
    run(5),
    run(4, { status: 'failed' }),
    run(3, { operation: 'create' }),
    run(2, { durationMs: null }),
    run(1),
  ]
  expect(pointsOf(runs, ({ durationMs }) => durationMs)).toEqual([
    { id: 1, at: '2026-11-20T09:00:11Z', value: 1 },
    { id: 5, at: '2026-11-20T09:00:15Z', value: 5 },
  ])
})

test('a day that the address names narrows the runs only if it is one', () => {
  expect(runsAsked({ q: 'a*b' }, 0)).toEqual({ pattern: '*a*b*', limit: 100 })
  expect(runsAsked({ q: '"a*b"' }, 0)).toEqual({ pattern: '*."a*b"', limit: 100 })
  expect(runsAsked({ day: '2026-11-20' }, 0)).toMatchObject({ since: '2026-11-20T00:00:00.000Z' })
  for (const day of ['275760-09-13', '+275760-09-13', '2026-13-40', 'yesterday'])
    expect(runsAsked({ day }, 0)).toEqual({ limit: 100 })
})
