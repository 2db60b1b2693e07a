import { describe, expect, test } from 'vitest'
import { planNext } from '../../../src/batch/plan/next.ts'
import { planTogether } from '../../../src/batch/plan/together.ts'
import type { Reader } from '../../../src/catalog/plan/live-view.ts'
import { together } from '../../../src/rebuild/plan/scope.ts'
import type { TogetherView } from '../../../src/record/plan/batch.ts'

/** Views by their names, each with what it reads, parents first. A name that begins with `p` is a plain view. */
function readersOf(graph: Record<string, string[]>): Reader[] {
  const names = Object.keys(graph)
  const oid = (name: string) => names.indexOf(name) + 1
  return names.map((name) => ({
    oid: oid(name),
    live: {
      view: { kind: name.startsWith('p') ? 'view' : 'materialized view', schema: 's', name },
    } as Reader['live'],
    hash: name,
    hashWithoutGrants: name,
    populated: true,
    sizeBytes: name.startsWith('p') ? 0 : 100,
    reads: (graph[name] ?? []).map(oid),
  }))
}

const view = (
  id: number,
  name: string,
  parents: number[],
  more: Partial<TogetherView> = {},
): TogetherView => ({
  id,
  schema: 's',
  name,
  parents,
  asked: true,
  paused: false,
  strategy: 'auto',
  hasKey: false,
  failed: false,
  ...more,
})

const plan = (
  graph: Record<string, string[]>,
  views: TogetherView[],
  options: Partial<Parameters<typeof planTogether>[2]> = {},
) => {
  const { groups, each } = planTogether(together(readersOf(graph)), views, {
    exchange: 'together',
    refusals: new Map(),
    maxShadowBytes: null,
    ...options,
  })
  return {
    groups: groups.map(({ members, shadowBytes, group }) => ({
      members,
      shadowBytes,
      outside: group.outside.map(({ live }) => live.view.name),
    })),
    each: Object.fromEntries(each.map((one) => [one.view, one.because])),
  }
}

describe('what a batch exchanges together', () => {
  test('is split into groups that do not read each other, and single views are left out', () => {
    const graph = { a: [], p: ['a'], b: ['p'], c: [], d: ['c'], single: [], pout: ['b', 'd'] }
    const views = [
      view(1, 'a', []),
      view(2, 'b', [1]),
      view(3, 'c', []),
      view(4, 'd', [3]),
      view(5, 'single', []),
    ]
    expect(plan(graph, views)).toEqual({
      groups: [
        { members: [1, 2], shadowBytes: 200, outside: ['pout'] },
        { members: [3, 4], shadowBytes: 200, outside: ['pout'] },
      ],
      each: {},
    })
  })

  test('leaves out what a view reads that is not built, through plain views too', () => {
    const graph = { a: [], b: ['a'], p: ['b'], c: ['p'], d: ['b'], e: ['d'] }
    const views = [view(1, 'a', []), view(2, 'b', [1]), view(4, 'd', [2]), view(5, 'e', [4])]
    expect(plan(graph, views)).toEqual({
      groups: [{ members: [4, 5], shadowBytes: 200, outside: [] }],
      each: { 's.a': 's.c is not in the batch', 's.b': 's.c is not in the batch' },
    })
  })

  test('leaves out a view that reads another one in a way that the catalog does not show', () => {
    const graph = { a: [], b: ['a'], c: ['b'], d: ['b'] }
    const views = [view(1, 'a', []), view(2, 'b', [1]), view(3, 'c', [2, 1]), view(4, 'd', [2])]
    expect(Object.keys(plan(graph, views).each)).toEqual(['s.a', 's.b', 's.c'])
  })

  test('leaves out a group that would wait for itself', () => {
    const graph = { a: [], b: ['a'], x: [] }
    const views = [view(1, 'a', []), view(3, 'x', [1], { paused: true }), view(2, 'b', [1, 3])]
    const { groups, each } = plan(graph, views)
    expect(groups).toEqual([])
    expect(each['s.b']).toBe('a view that is refreshed by itself stands between views of its group')
  })

  test('does not meet in a plain view over a view that is refreshed by itself', () => {
    const graph = { base: [], p: ['base'], small: ['p'], above: ['small'], slow: ['p'], top: ['slow'] }
    const views = [
      view(1, 'base', [], { strategy: 'regular' }),
      view(2, 'small', [1]),
      view(3, 'above', [2]),
      view(4, 'slow', [1]),
      view(5, 'top', [4]),
    ]
    expect(plan(graph, views).groups.map(({ members }) => members)).toEqual([
      [2, 3],
      [4, 5],
    ])
  })

  describe('includes a view that the batch was not to refresh', () => {
    const graph = { a: [], p: ['a'], b: ['p'], c: ['b'] }
    const views = (c: Partial<TogetherView>, below: Partial<TogetherView> = {}) => [
      view(1, 'a', [], below),
      view(2, 'b', [1], below),
      view(3, 'c', c.asked === false ? [] : [2], c),
    ]
    const key = { hasKey: true }
    const all = [[1, 2, 3]]
    test.each<[string, Partial<TogetherView>, Partial<TogetherView>, 'together' | 'each', number[][]]>([
      ['not in the batch', { asked: false }, {}, 'together', all],
      ['not in the batch, and all have unique indexes', { asked: false }, key, 'together', all],
      ['not in the batch, with unique indexes, each', { asked: false }, key, 'each', []],
      ['not in the batch, and paused', { asked: false, paused: true }, {}, 'together', []],
      ['not in the batch, and it failed', { asked: false, failed: true }, {}, 'together', []],
      ['paused', { paused: true }, {}, 'together', []],
      ['paused, and the others have unique indexes', { paused: true }, key, 'together', []],
      [
        'paused, with unique indexes, but a swap',
        { paused: true },
        { ...key, strategy: 'swap' },
        'together',
        [],
      ],
      ['with another strategy', { strategy: 'concurrent', ...key }, {}, 'together', all],
      ['with another strategy, over unique indexes', { strategy: 'regular' }, key, 'together', []],
      ['each by itself', {}, {}, 'each', all],
      ['each by itself, with unique indexes', {}, key, 'each', []],
    ])('%s', (_, c, below, exchange, groups) => {
      expect(plan(graph, views(c, below), { exchange }).groups.map(({ members }) => members)).toEqual(groups)
    })

    test('and says why; a reader without data stays so', () => {
      const readers = together(readersOf({ ...graph, d: ['b'] })).members.map((reader) =>
        reader.live.view.name === 'd' ? { ...reader, populated: false } : reader,
      )
      const planned = planTogether(
        { members: readers, outside: [] },
        [...views({ asked: false }), view(4, 'd', [], { asked: false })],
        { exchange: 'together', refusals: new Map(), maxShadowBytes: null },
      )
      expect(planned.groups.map(({ members, group }) => [members, group.members.length])).toEqual([
        [[1, 2, 3], 5],
      ])
      expect(planned.included).toEqual([
        { id: 3, because: 'it is not in the batch, but reads s.b, which cannot be exchanged without it' },
      ])
      expect(planned.parents.get(3)).toEqual([2])
      expect(planned.each).toEqual([])
    })
  })

  test('takes no more room than it may', () => {
    const graph = { a: [], b: ['a'], c: [], d: ['c'] }
    const views = [view(1, 'a', []), view(2, 'b', [1]), view(3, 'c', []), view(4, 'd', [3])]
    const { groups, each } = plan(graph, views, { maxShadowBytes: 300 })
    expect(groups.map(({ members }) => members)).toEqual([[1, 2]])
    expect(Object.keys(each)).toEqual(['s.c', 's.d'])
  })

  test('exchanges no more views at one moment than readers can wait for', () => {
    const names = Array.from({ length: 251 }, (_, at) => `m${at}`)
    const star = (count: number) => ({
      graph: Object.fromEntries(names.slice(0, count).map((name, at) => [name, at === 0 ? [] : ['m0']])),
      views: names.slice(0, count).map((name, at) => view(at + 1, name, at === 0 ? [] : [1])),
    })
    const [most, more] = [star(250), star(251)]
    expect(plan(most.graph, most.views).groups).toHaveLength(1)
    const { groups, each } = plan(more.graph, more.views)
    expect(groups).toEqual([])
    expect(each['s.m0']).toContain('251 views')
  })
})

describe('the next of a group', () => {
  const node = (id: number, parents: number[]) => ({ id, parents, retries: 1, retryDelaySeconds: 7 })
  const nodes = [node(1, []), node(2, [1])]
  const group = { number: 0, members: [1, 2] }
  const run = (status: 'built' | 'failed' | 'success' | 'running', more: object = {}) => ({
    runId: 1,
    attempt: 1,
    due: true,
    class: null,
    sqlstate: null,
    status,
    ...more,
  })

  test('is a view whose parent is built; outside the group, a built parent is not enough', () => {
    const latest = new Map([[1, run('built')]])
    expect(planNext(nodes, latest, [group]).ready.map(({ node: { id } }) => id)).toEqual([2])
    expect(planNext(nodes, latest, []).ready).toEqual([])
  })

  test('is the exchange if all are built and due, and nothing while one waits', () => {
    const built = new Map([
      [1, run('built')],
      [2, run('built')],
    ])
    expect(planNext(nodes, built, [group]).ready).toEqual([
      { node: nodes[0], pending: built.get(1), exchange: group },
    ])
    const waits = new Map([
      [1, run('built')],
      [2, run('built', { due: false })],
    ])
    expect(planNext(nodes, waits, [group])).toMatchObject({ ready: [], giveUp: [], ended: false })
  })

  test('is to give the group up if a view has failed for good, but not before', () => {
    const failed = (attempt: number) => run('failed', { class: 'ViewSqlFailed', attempt })
    const first = planNext(
      nodes,
      new Map([
        [1, run('built')],
        [2, failed(1)],
      ]),
      [group],
    )
    expect(first).toMatchObject({ giveUp: [], retry: [{ attempt: 2 }] })
    const last = planNext(
      nodes,
      new Map([
        [1, run('built')],
        [2, failed(2)],
      ]),
      [group],
    )
    expect(last).toMatchObject({ giveUp: [group], ended: false })
  })

  test('is a retry of the exchange after a lock, and in place after another failure of the exchange', () => {
    const both = (why: string) => {
      const failed = run('failed', { class: why, built: true })
      return planNext(
        nodes,
        new Map([
          [1, failed],
          [2, failed],
        ]),
        [group],
      )
    }
    expect(both('LockTimeout')).toMatchObject({ giveUp: [], retry: [{ attempt: 2 }, { attempt: 2 }] })
    expect(both('SwapImpossible')).toMatchObject({ giveUp: [group], retry: [] })
  })
})
