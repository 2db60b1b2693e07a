import { expect, test } from 'vitest'
import { estimated } from '../../../src/rebuild/plan/compare.ts'

/** In how many of all samples the interval holds, by the binomial distribution of what a sample finds. */
function coverage(rows: number, share: number): number {
  let chance = (1 - share) ** rows
  let held = 0
  for (let found = 0; found <= rows; found++) {
    const { from, to } = estimated(found, share)
    if (from <= rows && rows <= to) held += chance
    chance *= ((rows - found) / (found + 1)) * (share / (1 - share))
  }
  return held
}

const shares = [0.001, 0.01, 0.1, 0.25, 0.5, 0.9, 0.99]
const numbers = [...Array(60).keys(), 100, 170, 300, 1000, 3000]

test.each(shares)('of samples of %f of the keys, 95 of 100 have the number in their interval', (share) => {
  const all = numbers.map((rows) => coverage(rows, share)).filter((held) => held > 0)
  expect(all.length).toBeGreaterThan(60)
  expect(Math.min(...all)).toBeGreaterThanOrEqual(0.95)
})

test('an interval is about as wide as the chance demands', () => {
  const { from, to, count } = estimated(1000, 0.1)
  expect(count).toBe(10_000)
  const deviation = Math.sqrt(1000 * 0.9) / 0.1
  expect((to - from) / deviation).toBeGreaterThan(2 * 1.96)
  expect((to - from) / deviation).toBeLessThan(2 * 1.96 * 1.05)
  expect(estimated(7, 1)).toEqual({ count: 7, from: 7, to: 7 })
})
