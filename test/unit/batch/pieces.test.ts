import { expect, test } from 'vitest'
import { piecesOf, withChanged } from '../../../src/batch/form-groups.ts'

const graph = (reads: Record<string, string[]>) => new Map(Object.entries(reads))
const views = (names: string) => [...names].map((view, at) => ({ id: at + 1, view }))

test('views that read each other are one piece, in the order of the batch, and a view alone is none', () => {
  const dependencies = graph({ a: [], b: ['a'], c: [], d: ['c'], e: ['b'], f: [] })
  expect(piecesOf(views('fcabed'), dependencies)).toEqual([
    [2, 6],
    [3, 4, 5],
  ])
})

test('a view outside the batch joins those that it reads, because it may come along', () => {
  expect(piecesOf(views('ab'), graph({ a: [], b: [], outside: ['a', 'b'] }))).toEqual([[1, 2]])
  expect(piecesOf(views('a'), graph({ a: [], outside: ['a'] }))).toEqual([[1]])
})

test('a view outside the batch joins nothing that reads it: it stays as it is', () => {
  expect(piecesOf(views('ab'), graph({ outside: [], a: ['outside'], b: ['outside'] }))).toEqual([])
})

const view = (id: number, parents: number[] = []) => ({ id, parents, includedBecause: null })

test('what comes along takes its place before what reads it', () => {
  const all = [view(1), view(2), view(3, [1])]
  const along = { ...view(4, [2]), includedBecause: 'it reads 2' }
  expect(withChanged(all, [view(2), along, view(3, [1, 4])])?.map(({ id }) => id)).toEqual([1, 2, 4, 3])
})

test('a decision that changes no view is not written', () => {
  expect(withChanged([view(1), view(2, [1])], [view(1), view(2, [1])])).toBeNull()
})
