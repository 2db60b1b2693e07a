import { describe, expect, test } from 'vitest'
import { planBundle } from '../../../src/batch/plan/bundle.ts'
import type { LatestRun } from '../../../src/record/plan/batch.ts'

interface Node {
  id: number
  parents: number[]
  owner: number | null
  estimateMs: number
}

const node = (id: number, parents: number[] = [], rest: Partial<Node> = {}): Node => ({
  id,
  parents,
  owner: 1,
  estimateMs: 10,
  ...rest,
})

const run = (status: LatestRun['status'], rest: Partial<LatestRun> = {}): LatestRun => ({
  runId: 1,
  attempt: 1,
  due: true,
  status,
  class: null,
  sqlstate: null,
  ...rest,
})

const bundled = (
  nodes: Node[],
  latest: [number, LatestRun][] = [],
  slots = 1,
  taken: number[] = [],
  pace?: number,
) =>
  planBundle(nodes[0]!, nodes, new Map(latest), ({ id }) => !taken.includes(id), slots, pace).map(
    ({ id }) => id,
  )

describe('a bundle', () => {
  test('has a chain as a whole, each view after those that it reads', () => {
    expect(bundled([node(1), node(2), node(3, [1]), node(4, [3]), node(5, [2, 4])])).toEqual([1, 3, 4, 2, 5])
  })

  test('ends before it usually takes longer than 250 ms', () => {
    const nodes = Array.from({ length: 60 }, (_, at) => node(at + 1))
    expect(bundled(nodes)).toHaveLength(25)
    expect(bundled(nodes, [], 1, [], 0.5)).toHaveLength(50)
    const slow = [node(1, [], { estimateMs: 1000 }), node(2)]
    expect(bundled(slow)).toEqual([1])
  })

  test('has more where everything takes long: a hundredth of what is left, and at most a second', () => {
    const slow = (count: number) =>
      Array.from({ length: count }, (_, at) => node(at + 1, [], { estimateMs: 200 }))
    expect(bundled(slow(100))).toHaveLength(1)
    expect(bundled(slow(300))).toHaveLength(3)
    expect(bundled(slow(5000))).toHaveLength(5)
  })

  test('leaves the other places their share', () => {
    const nodes = [1, 2, 3, 4, 5, 6].map((id) => node(id))
    expect(bundled(nodes, [], 2)).toEqual([1, 2, 3])
  })

  test('has views of one owner only, and none whose owner is not known', () => {
    expect(bundled([node(1), node(2, [], { owner: 2 }), node(3, [], { owner: null })])).toEqual([1])
    expect(bundled([node(1, [], { owner: null }), node(2, [], { owner: null })])).toEqual([1])
  })

  test('has no view that is running, has ended, waits for its retry, or reads a view that has not succeeded', () => {
    const nodes = [node(1), node(2), node(3), node(4), node(5, [6]), node(6), node(7, [2])]
    const latest: [number, LatestRun][] = [
      [2, run('running')],
      [3, run('success')],
      [4, run('pending', { due: false })],
      [6, run('failed')],
    ]
    expect(bundled(nodes, latest)).toEqual([1])
    expect(bundled([node(1), node(2, [3]), node(3)], [[3, run('success')]])).toEqual([1, 2])
    expect(bundled([node(1), node(2), node(3)], [[2, run('pending')]], 1, [3])).toEqual([1, 2])
  })
})
