import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BatchNode, planNext } from '../../../src/batch/plan/next.ts'
import type { LatestRun } from '../../../src/record/plan/batch.ts'
import { isDone } from '../../../src/run/plan/turn.ts'

// Property tests make hundreds of cases, which takes seconds on a busy machine.
/** How one run of a view ends. */
type Fate = 'success' | 'failed' | 'canceled' | 'paused' | 'SwapImpossible'

const graphs = fc.array(
  fc.record({
    reads: fc.array(fc.nat(), { maxLength: 3 }),
    retries: fc.nat(2),
    fates: fc.array(
      fc.constantFrom<Fate[]>('success', 'success', 'failed', 'canceled', 'paused', 'SwapImpossible'),
      {
        minLength: 3,
        maxLength: 3,
      },
    ),
  }),
  { minLength: 1, maxLength: 20 },
)

const attemptOf = (fate: Fate, attempt: number): LatestRun => ({
  runId: attempt,
  attempt,
  due: true,
  status: fate === 'paused' ? 'skipped' : fate === 'SwapImpossible' ? 'failed' : fate,
  class: fate === 'success' || fate === 'paused' ? null : fate === 'failed' ? 'ViewSqlFailed' : fate,
  sqlstate: null,
})

/** Does what planNext says until the batch has ended. Each run of a view ends as the next of its fates. */
function play(nodes: BatchNode[], fates: Fate[][], pick: (from: number) => number) {
  const latest = new Map<number, LatestRun>()
  const order: number[] = []
  for (let turn = 0; turn < 1000; turn++) {
    const next = planNext(nodes, latest)
    if (next.ended) return { latest, order }
    for (const { node } of next.skip) {
      latest.set(node.id, {
        runId: 1,
        attempt: 1,
        due: true,
        status: 'skipped',
        class: 'UpstreamFailed',
        sqlstate: null,
      })
    }
    for (const { node, attempt } of next.retry) {
      latest.set(node.id, {
        runId: attempt,
        attempt,
        due: true,
        status: 'pending',
        class: null,
        sqlstate: null,
      })
    }
    if (next.skip.length + next.retry.length > 0) continue
    const turn = next.ready[pick(next.ready.length)]
    if (turn === undefined) throw new Error('nothing is ready, but the batch has not ended')
    const { node, pending } = turn
    for (const parent of node.parents) expect(isDone(latest.get(parent)!)).toBe(true)
    order.push(node.id)
    const attempt = pending?.attempt ?? 1
    latest.set(node.id, attemptOf(fates[node.id]![attempt - 1]!, attempt))
  }
  throw new Error('the batch does not end')
}

describe('what comes next in a batch', () => {
  test('leads to its end, however its runs end and whichever view is first', () => {
    fc.assert(
      fc.property(graphs, fc.infiniteStream(fc.nat()), (graph, random) => {
        const nodes = graph.map(({ reads, retries }, id) => ({
          id,
          parents: id === 0 ? [] : [...new Set(reads.map((read) => read % id))],
          retries,
          retryDelaySeconds: 1,
        }))
        const fates = graph.map(({ fates }) => fates)
        const { latest, order } = play(nodes, fates, (from) => random.next().value % from)
        for (const { id, parents, retries } of nodes) {
          const last = latest.get(id)!
          const upstream = parents.every((parent) => isDone(latest.get(parent)!))
          if (!upstream) {
            expect(last.class).toBe('UpstreamFailed')
            expect(order).not.toContain(id)
            continue
          }
          // One run, and one more for each failure that may be retried.
          const stops = fates[id]!.findIndex((fate) => fate !== 'failed')
          const made = Math.min(stops === -1 ? 3 : stops + 1, retries + 1)
          expect(order.filter((each) => each === id)).toHaveLength(made)
          expect(last).toEqual(attemptOf(fates[id]![made - 1]!, made))
        }
      }),
    )
  })

  const node = (id: number, parents: number[] = [], changes = {}): BatchNode => ({
    id,
    parents,
    retries: 1,
    retryDelaySeconds: 300,
    ...changes,
  })
  const attempt = (status: LatestRun['status'], changes: Partial<LatestRun> = {}): LatestRun => ({
    runId: 7,
    attempt: 1,
    status,
    class: null,
    sqlstate: null,
    due: true,
    ...changes,
  })

  test('is in the order of the views, without those that are running', () => {
    const next = planNext([node(3), node(1), node(2)], new Map([[1, attempt('running')]]))
    expect(next.ready.map(({ node }) => node.id)).toEqual([3, 2])
  })

  test.each([
    ['RunLost', 1, 0],
    ['RunLost', 2, 300],
    ['CatalogChanged', 1, 0],
    ['Deadlock', 1, 0],
    ['LockTimeout', 1, 300],
    ['ViewSqlFailed', 1, 300],
    // Another group was exchanged while the server read the catalog.
    ['ViewSqlFailed', 1, 0, 'XX000'],
  ])(
    'after %s, attempt %s, is a retry %s s later: at once, and only once, if nothing is wrong with the view',
    (why, made, delaySeconds, sqlstate: string | null = null) => {
      const failed = attempt('failed', { class: why, sqlstate, attempt: made })
      const { retry } = planNext([node(1, [], { retries: 2 })], new Map([[1, failed]]))
      expect(retry).toMatchObject([{ attempt: made + 1, delaySeconds }])
    },
  )

  test.each([
    ['ViewSqlFailed', '22012', false],
    ['ViewSqlFailed', '21000', false],
    ['ViewSqlFailed', '23505', false],
    ['ViewSqlFailed', 'P0001', true],
    ['ViewSqlFailed', null, true],
    ['CheckFailed', null, false],
    ['ViewSqlFailed', '42703', false],
    ['ViewSqlFailed', '42P01', false],
    ['ViewSqlFailed', '42883', false],
    ['ViewSqlFailed', '0A000', false],
    ['InsufficientPrivilege', '42501', false],
    ['UniqueIndexRequired', null, false],
    ['SwapImpossible', null, false],
    ['DependentsExist', '2BP01', false],
    ['StatementTimeout', '57014', true],
    ['LockTimeout', '55P03', true],
    ['CatalogChanged', '42P01', true],
    ['RunLost', null, true],
  ])('after %s (%s) is a retry only if waiting may fix it', (why, sqlstate, again) => {
    const { retry, ended } = planNext([node(1)], new Map([[1, attempt('failed', { class: why, sqlstate })]]))
    expect([retry.length, ended]).toEqual(again ? [1, false] : [0, true])
  })

  test('is a retry of a view that is gone, as often as the view may be retried', () => {
    const gone = (attempts: number) =>
      planNext([node(1)], new Map([[1, attempt('failed', { class: 'UnknownView', attempt: attempts })]]))
    expect(gone(1).retry).toMatchObject([{ attempt: 2, delaySeconds: 300 }])
    expect(gone(2)).toMatchObject({ retry: [], ended: true })
  })

  test('is nothing while a run is not due', () => {
    const next = planNext([node(1)], new Map([[1, attempt('pending', { due: false })]]))
    expect(next).toMatchObject({ ready: [], retry: [], skip: [], ended: false })
  })

  test('is a skip that names the view that failed first, however far upstream', () => {
    const next = planNext(
      [node(1, [], { retries: 0 }), node(2, [1]), node(3, [2])],
      new Map([[1, attempt('failed')]]),
    )
    expect(next.skip.map(({ node, because }) => [node.id, because.id])).toEqual([
      [2, 1],
      [3, 1],
    ])
  })
})
