import { describe, expect, test } from 'vitest'
import {
  declaredEdges,
  dependents,
  inDependencyOrder,
  unknownDependencies,
  viewDependencies,
  withPlainViews,
} from '../../../src/catalog/plan/graph.ts'

const node = (id: string) => ({ id, view: id.startsWith('plain') ? null : id })
const edge = (text: string) => {
  const [from, to] = text.split('>') as [string, string]
  return { from, to }
}

describe('dependencies between views', () => {
  test('are seen through plain views and functions, and end at the next view', () => {
    const found = viewDependencies(
      ['a', 'b', 'c', 'plain1', 'plain2'].map(node),
      ['c>plain1', 'plain1>plain2', 'plain2>b', 'b>a', 'c>c', 'a>table'].map(edge),
    )
    expect(Object.fromEntries(found)).toEqual({ a: [], b: ['a'], c: ['b'] })
    expect(Object.fromEntries(dependents(found))).toEqual({ a: ['b'], b: ['c'], c: [] })
  })

  test('lead through plain views, which go along with the views that they are read by, or that are all they read', () => {
    const nodes = ['a', 'b', 'c', 'd', 'plain1', 'plain2', 'plain3', 'plain4', 'plain5', 'plainServers'].map(
      (id) => ({
        ...node(id),
        plain: /^plain\d/.test(id) ? id : null,
      }),
    )
    const edges = [
      'c>plain1',
      'plain1>function',
      'function>plain2',
      'c>plain2',
      'c>plainServers',
      'plain2>b',
      'b>a',
      'plain3>c',
      'plain3>plain5',
      'plain4>c',
      'plain4>d',
    ]
    const along = (...views: string[]) => withPlainViews(new Set(views), nodes, edges.map(edge))
    expect(along('a', 'b', 'c')).toEqual(['a', 'b', 'plain2', 'plain1', 'c', 'plain5', 'plain3'])
    expect(along('a')).toEqual(['a'])
    expect(along('c', 'd')).toEqual(['d', 'plain2', 'plain1', 'c', 'plain4', 'plain5', 'plain3'])
  })

  test('a deep diamond takes no longer than its edges: 2^40 paths are not walked', () => {
    const edges = Array.from({ length: 40 }, (_, i) => [
      edge(`plain${i}>plainL${i}`),
      edge(`plain${i}>plainR${i}`),
      edge(`plainL${i}>plain${i + 1}`),
      edge(`plainR${i}>plain${i + 1}`),
    ]).flat()
    const found = viewDependencies(
      [node('top'), node('base')],
      [...edges, edge('top>plain0'), edge('plain40>base')],
    )
    expect(found.get('top')).toEqual(['base'])
  })
})

describe('what definitions declare', () => {
  const relations = ['a', 'b', 'Odd'].map((name) => ({ id: `app.${name}`, schema: 'app', name }))
  const edges = (dependsOn: string[]) => declaredEdges(relations, [{ schema: 'app', name: 'a', dependsOn }])

  test("is read as SQL reads names; a name without a schema is in the view's schema", () => {
    expect(edges(['app.b', 'B', '"Odd"'])).toEqual(
      ['b', 'b', 'Odd'].map((to) => ({ from: 'app.a', to: `app.${to}` })),
    )
  })

  test('makes no edge if no relation has the name, or the text is no name', () => {
    expect(edges(['gone', 'other.b', 'no name', ''])).toEqual([])
    expect(declaredEdges(relations, [{ schema: 'app', name: 'gone', dependsOn: ['a'] }])).toEqual([])
  })
})

describe('the order', () => {
  const order = (graph: Record<string, string[]>) => inDependencyOrder(new Map(Object.entries(graph)))

  test('puts each view after all that it reads, and is always the same', () => {
    expect(order({ d: ['b', 'c'], c: ['a'], b: ['a'], a: [], z: [], e: ['unknown'] })).toEqual([
      'a',
      'b',
      'c',
      'd',
      'e',
      'z',
    ])
  })

  test('is refused if there is a circle, naming its views', () => {
    expect(() => order({ a: ['b'], b: ['a'], c: ['b'], d: [] })).toThrow(/circle: a -> b -> a\./)
  })
})

describe('a name in dependsOn that no view has', () => {
  const known = [
    { schema: 'app', name: 'sales' },
    { schema: 'app', name: 'Odd' },
  ]
  const messages = (...dependsOn: string[]) =>
    unknownDependencies([{ schema: 'app', name: 'sale', dependsOn }], known).map(({ message }) => message)

  test('is told from names that views have, as SQL reads them', () => {
    expect(messages('app.sales', 'App.SALES', 'app."Odd"')).toEqual([])
  })

  test('is named, with the nearest name or with what to do', () => {
    expect(messages('app.salse', 'app.sales', 'elsewhere.weather')).toEqual([
      'names app.salse, but no view or table has that name: did you mean app.sales?',
      'names elsewhere.weather, but no view or table has that name: correct it, or create that view first',
    ])
  })
})
