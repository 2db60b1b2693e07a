import { expect, test } from 'vitest'
import {
  ago,
  ahead,
  bytes,
  count,
  duration,
  elapsed,
  moment,
  names,
  rows,
} from '../../../src/words/phrases.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

test.each([
  [-5, '0.00 s'],
  [0, '0.00 s'],
  [210, '0.21 s'],
  [994, '0.99 s'],
  [995, '1.0 s'],
  [9_340, '9.3 s'],
  [9_949, '9.9 s'],
  [9_950, '10 s'],
  [90 * second, '90 s'],
  [2 * minute, '2 min'],
  [119 * minute, '119 min'],
  [26 * hour, '26 h'],
  [26.5 * hour, '27 h'],
  [47 * hour, '47 h'],
  [2 * day, '2 d'],
  [400 * day, '400 d'],
])('a duration of %d ms is %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})

test.each([
  [-1, '0 s'],
  [999, '0 s'],
  [59_999, '59 s'],
  [minute, '1 min 00 s'],
  [3 * minute + 5 * second, '3 min 05 s'],
  [hour + 4 * minute + 59 * second, '1 h 04 min'],
])('what goes on since %d ms says %s', (ms, text) => {
  expect(elapsed(ms)).toBe(text)
})

test('moments before and after now are told without parts of a second', () => {
  expect([400, 4_200, 59 * second, 26 * hour].map(ago)).toEqual([
    'just now',
    '4 s ago',
    '59 s ago',
    '26 h ago',
  ])
  expect([-4_200, 0, 4_200, 7 * hour].map(ahead)).toEqual(['now', 'now', 'in 4 s', 'in 7 h'])
})

test('a moment has its date unless it is today in UTC', () => {
  const now = new Date('2026-11-20T23:59:59.000Z')
  expect(moment('2026-11-20T09:00:12.345Z', now)).toBe('09:00 UTC')
  expect(moment(new Date('2026-11-21T00:00:00Z'), now)).toBe('2026-11-21 00:00 UTC')
})

test('numbers have separators, and one thing has no plural', () => {
  expect([rows(0), rows(1), rows(4_231)]).toEqual(['0 rows', '1 row', '4,231 rows'])
  expect([count(1, 'batch', 'batches'), count(2, 'batch', 'batches')]).toEqual(['1 batch', '2 batches'])
})

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 kB'],
  [8192, '8.0 kB'],
  [42 * 1024 * 1024, '42 MB'],
  [1024 * 1024 - 1, '1.0 MB'],
  [5 * 1024 ** 5, '5120 TB'],
])('%d bytes are %s', (n, text) => {
  expect(bytes(n)).toBe(text)
})

test('many names are cut, and the rest is counted', () => {
  expect(names(['a', 'b'], 2)).toBe('a, b')
  expect(names(['a', 'b', 'c', 'd'], 2)).toBe('a, b and 2 more')
})
