import { describe, expect, test } from 'vitest'
import { firstFitting, fitting } from '../../../src/api/size.ts'

const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(JSON.stringify(value)))

describe('an answer', () => {
  test('that is small enough is left as it is', () => {
    const answer = { text: 'x'.repeat(900), at: new Date(0), nothing: null, list: ['a', { b: 1 }] }
    expect(fitting(answer, 1000)).toBe(answer)
  })

  test('that is too large has its longest texts cut, and its short ones whole', () => {
    const answer = { id: 7, short: 'x'.repeat(250), long: '"'.repeat(50_000), at: new Date(0), none: null }
    const cut = fitting(answer, 10_000)
    expect(bytes(cut)).toBeLessThanOrEqual(10_000)
    expect(cut).toEqual({ ...answer, long: `${'"'.repeat(1000)}... (50000 characters in all)` })
  })

  test('that is too large has its long lists of texts cut, and no list of anything else', () => {
    const answer = { names: Array.from({ length: 5000 }, (_, at) => `name_${at}`), rows: Array(400).fill({}) }
    const cut = fitting(answer, 10_000)
    expect(cut.names).toHaveLength(301)
    expect(cut.names.at(-1)).toBe('... (5000 in all)')
    expect(cut.rows).toHaveLength(400)
  })

  test('is never cut through a surrogate pair', () => {
    expect(fitting('\u{1f600}'.repeat(1_000), 1500).isWellFormed()).toBe(true)
    expect(fitting(`x${'\u{1f600}'.repeat(1_000)}`, 1500).isWellFormed()).toBe(true)
  })
})

test('a page has the first items that fit, and at least one', () => {
  const items = ['a', 'b', 'c'].map((letter) => letter.repeat(400))
  expect(firstFitting(items, 1000)).toEqual(items.slice(0, 2))
  expect(firstFitting(items, 2000)).toEqual(items)
  expect(firstFitting(items, 10)).toEqual(items.slice(0, 1))
  expect(firstFitting([], 10)).toEqual([])
})
