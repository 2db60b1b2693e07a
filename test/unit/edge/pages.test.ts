import { expect, test } from 'vitest'
import { pageByView } from '../../../src/edge/http/pages.ts'

test('a page of items by view never ends within the items of a view', () => {
  const text = 'x'.repeat(1_500_000)
  const items = ['a', 'b', 'b', 'c', 'c', 'c'].map((view, at) => ({ view, at, text }))
  const pages: number[][] = []
  let cursor: string | undefined
  do {
    const { page, next } = pageByView(items, cursor)
    pages.push(page.map(({ at }) => at))
    cursor = next ?? undefined
  } while (cursor !== undefined)
  expect(pages).toEqual([
    [0, 1, 2],
    [3, 4, 5],
  ])
})
