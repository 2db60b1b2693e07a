import { expect, test } from 'vitest'
import { nextToPut } from '../../../src/events/plan/news.ts'

const of = (...subjects: string[]) => subjects.map((subject, sequence) => ({ subject, sequence }))
const numbers = (events: { sequence: number }[]) => events.map(({ sequence }) => sequence)

test('the bus gets at most ten events at once, in their order, and one of each subject', () => {
  expect(numbers(nextToPut(of('a', 'b', 'a', 'c'), new Set()))).toEqual([0, 1])
  expect(numbers(nextToPut(of(...'abcdefghijkl'), new Set()))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(nextToPut([], new Set())).toEqual([])
})

test('what comes after a refused event of the same subject waits, and nothing else does', () => {
  expect(numbers(nextToPut(of('a', 'b', 'a', 'c', 'b'), new Set(['a'])))).toEqual([1, 3])
  expect(nextToPut(of('a', 'a'), new Set(['a']))).toEqual([])
})
