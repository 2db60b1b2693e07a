import { describe, expect, test } from 'vitest'
import { declaredEdges } from '../../../../src/plan/views/depends-on.ts'
import {
  dependents,
  inDependencyOrder,
  plainViewsRead,
  viewDependencies,
} from '../../../../src/plan/views/graph.ts'

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

  test('lead through plain views, and each view names each plain view once', () => {
    const nodes = ['a', 'b', 'c', 'plain1', 'plain2', 'plainServers'].map((id) => ({
      ...node(id),
      plain: /^plain\d/.test(id) ? id : null,
    }))
    const edges = [
      'c>plain1',
      'plain1>function',
      'function>plain2',
      'c>plain2',
      'c>plainServers',
      'plain2>b',
      'b>a',
    ]
    expect(Object.fromEntries(plainViewsRead(nodes, edges.map(edge)))).toEqual({
      a: [],
      b: [],
      c: ['plain1', 'plain2'],
    })
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
