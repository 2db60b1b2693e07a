import { expect, test } from 'vitest'
import { durationTicks, roundTicks, timeTicks } from '../../../page/app/view/axis.ts'

test.each([
  [0, 950, 4, [0, 500]],
  [0, 0.8, 4, [0]],
  [103, 107, 4, [103, 104, 105, 106, 107]],
  [4180, 4320, 4, [4200, 4250, 4300]],
])(
  'an axis from %d to %d has round numbers, none of them between two whole ones',
  (from, to, most, ticks) => {
    expect(roundTicks(from, to, most).map(({ at }) => at)).toEqual(ticks)
  },
)

test.each([
  [9, ['0 ms', '2 ms', '4 ms', '6 ms', '8 ms']],
  [1100, ['0 s', '0.5 s', '1 s']],
  [2400, ['0 s', '0.5 s', '1 s', '1.5 s', '2 s']],
  [150_000, ['0 s', '30 s', '60 s', '90 s', '120 s', '150 s']],
  [660_000, ['0 min', '5 min', '10 min']],
  [20 * 3_600_000, ['0 h', '6 h', '12 h', '18 h']],
])(
  'an axis of durations up to %d ms has round ones, each written as it is and no two alike',
  (to, labels) => {
    expect(durationTicks(to, 5).map(({ label }) => label)).toEqual(labels)
  },
)

test('an axis of few milliseconds has no two ticks that are written alike, however short or long it is', () => {
  for (let to = 1; to < 1e10; to = Math.ceil(to * 1.3)) {
    const ticks = durationTicks(to, 5)
    expect(new Set(ticks.map(({ label }) => label)).size).toBe(ticks.length)
    expect(ticks.at(-1)!.at).toBeLessThanOrEqual(to)
  }
})

const seconds = (time: string) => Date.parse(time) / 1000
const written = (from: string, to: string) =>
  timeTicks(seconds(from), seconds(to), 5).map(({ label, below }) =>
    [label, below].filter(Boolean).join(' / '),
  )

test('an axis of times has round ones, and the day or the year where it changes', () => {
  expect(written('2026-12-31T21:10:00Z', '2027-01-01T02:50:00Z')).toEqual([
    '22:00 / 31 Dec 2026',
    '00:00 / 1 Jan 2027',
    '02:00',
  ])
  expect(written('2026-12-29T00:00:00Z', '2027-01-02T00:00:00Z')).toEqual([
    '29 Dec / 2026',
    '30 Dec',
    '31 Dec',
    '1 Jan / 2027',
    '2 Jan',
  ])
  expect(written('2026-11-20T09:00:01Z', '2026-11-20T09:00:20Z')[0]).toBe('09:00:05 / 20 Nov 2026')
  expect(written('2000-01-01T00:00:00Z', '2026-01-01T00:00:00Z').length).toBeLessThan(7)
})
