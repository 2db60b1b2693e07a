import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { planBatchEnd } from '../../../src/batch/end.ts'
import { estimateRest, planBatch } from '../../../src/batch/plan/plan-batch.ts'
import { canonicalSelection, selectViews } from '../../../src/batch/plan/selection.ts'
import type { BatchableView } from '../../../src/record/plan/batch.ts'
import { isGlob, matchesGlob, withSchema } from '../../../src/words/glob.ts'
import { counts } from '../../support/counts.ts'

// Property tests make hundreds of cases, which takes seconds on a busy machine.
const view = (id: number, changes: Partial<BatchableView> = {}): BatchableView => ({
  id,
  schema: 'app',
  name: `v${id}`,
  view: `app.v${id}`,
  inAll: true,
  schedule: null,
  timeZone: null,
  paused: false,
  retries: 1,
  retryDelaySeconds: 300,
  usualMs: null,
  ...changes,
})

/** Views in random order, without circles. */
const graphs = fc
  .array(
    fc.record({
      usualMs: fc.option(fc.nat(10_000)),
      paused: fc.boolean(),
      reads: fc.array(fc.nat(), { maxLength: 4 }),
    }),
    {
      minLength: 1,
      maxLength: 30,
    },
  )
  .chain((nodes) =>
    fc.record({
      nodes: fc.constant(nodes),
      order: fc.shuffledSubarray(
        nodes.map((_, at) => at),
        { minLength: nodes.length },
      ),
    }),
  )
  .map(({ nodes, order }) => {
    const views = order.map((at) => view(at, { usualMs: nodes[at]!.usualMs, paused: nodes[at]!.paused }))
    const dependencies = new Map(
      nodes.map(({ reads }, at) => [
        `app.v${at}`,
        at === 0 ? [] : [...new Set(reads.map((read) => `app.v${read % at}`))],
      ]),
    )
    return { views, dependencies }
  })

describe('a planned batch', () => {
  test('has every view once, parents first, each with its parents', () => {
    fc.assert(
      fc.property(graphs, ({ views, dependencies }) => {
        const planned = planBatch(views, dependencies)
        expect(planned.map(({ id }) => id).toSorted()).toEqual(views.map(({ id }) => id).toSorted())
        const place = new Map(planned.map(({ id }, at) => [id, at]))
        planned.forEach(({ id, parents }, at) => {
          expect(parents.map((parent) => `app.v${parent}`)).toEqual(dependencies.get(`app.v${id}`))
          for (const parent of parents) expect(place.get(parent)).toBeLessThan(at)
        })
      }),
    )
  })

  test('has the view with the longest remaining time first', () => {
    fc.assert(
      fc.property(graphs, ({ views, dependencies }) => {
        const planned = planBatch(views, dependencies)
        const rests = planned.map(({ remainingMs }) => remainingMs)
        expect(rests).toEqual(rests.toSorted((a, b) => b - a))
        for (const { id, estimateMs, remainingMs } of planned) {
          const children = planned.filter(({ parents }) => parents.includes(id))
          expect(remainingMs).toBe(estimateMs + Math.max(0, ...children.map((child) => child.remainingMs)))
        }
      }),
    )
  })

  test('estimates the median for a view without history, 0.1 s if no view has one, and 0 for a paused view', () => {
    const estimates = (views: BatchableView[]) =>
      planBatch(views, new Map())
        .toSorted((a, b) => a.id - b.id)
        .map(({ estimateMs }) => estimateMs)
    expect(estimates([view(1), view(2)])).toEqual([100, 100])
    const known = [view(1, { usualMs: 5 }), view(2, { usualMs: 70 }), view(3, { usualMs: 900 })]
    expect(estimates([...known, view(4), view(5, { usualMs: 60, paused: true })])).toEqual([
      5, 70, 900, 60, 0,
    ])
  })

  test('is refused if there is a circle anywhere, and the message names its views', () => {
    fc.assert(
      fc.property(graphs, fc.nat(), fc.nat(), ({ views, dependencies }, from, to) => {
        const [a, b] = [`app.v${from % views.length}`, `app.v${to % views.length}`]
        const reaches = (start: string): boolean =>
          start === b || (dependencies.get(start) ?? []).some(reaches)
        fc.pre(a !== b && reaches(a))
        const circular = new Map(dependencies).set(b, [...(dependencies.get(b) ?? []), a])
        let message = ''
        try {
          planBatch(views, circular)
        } catch (error) {
          message = (error as Error).message
        }
        const names = /circle: (.*?)\. A/.exec(message)?.[1]?.split(' -> ') ?? []
        expect(names.length).toBeGreaterThan(2)
        expect(names.at(-1)).toBe(names[0])
        for (const [at, name] of names.slice(0, -1).entries())
          expect(circular.get(name)).toContain(names[at + 1])
      }),
    )
  })

  test('of 10,000 views is planned', () => {
    const views = Array.from({ length: 10_000 }, (_, id) => view(id, { usualMs: (id * 7919) % 5000 }))
    const dependencies = new Map(
      views.map(({ id, view }) => [
        view,
        [id - 1, id >> 1, id - 37].filter((read) => read >= 0 && read < id).map((read) => `app.v${read}`),
      ]),
    )
    expect(planBatch(selectViews(views, dependencies, { all: true }), dependencies)).toHaveLength(10_000)
  })
})

describe('a selection', () => {
  test('with ancestors holds all that its views read, with descendants all that read them, and no more', () => {
    fc.assert(
      fc.property(graphs, fc.nat(), ({ views, dependencies }, which) => {
        const start = `app.v${which % views.length}`
        const reaches = (from: string, to: string): boolean =>
          from === to || (dependencies.get(from) ?? []).some((read) => reaches(read, to))
        const names = (selected: BatchableView[]) => selected.map(({ view }) => view).toSorted()
        const all = views.map(({ view }) => view)
        expect(names(selectViews(views, dependencies, { views: [start], ancestors: true }))).toEqual(
          all.filter((other) => reaches(start, other)).toSorted(),
        )
        expect(names(selectViews(views, dependencies, { views: [start], descendants: true }))).toEqual(
          all.filter((other) => reaches(other, start)).toSorted(),
        )
      }),
    )
  })

  test('is the same however it is written', () => {
    expect(canonicalSelection({ views: ['x', 'y'], ancestors: false }, ['b', 'a', 'b'])).toEqual({
      views: ['a', 'b'],
    })
    expect(canonicalSelection({ descendants: true }, [])).toEqual(
      canonicalSelection({ all: true, descendants: true }, []),
    )
    expect(canonicalSelection({ pattern: '*' }, [])).not.toEqual(canonicalSelection({}, []))
  })
})

describe('a pattern', () => {
  test('matches what the same regular expression matches', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?'), maxLength: 12 })
    fc.assert(
      fc.property(
        letters,
        fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 12 }),
        (pattern, text) => {
          const expression = pattern.replaceAll('.', '\\.').replaceAll('?', '.').replaceAll('*', '.*')
          expect(matchesGlob(pattern, [text])).toBe(new RegExp(`^${expression}$`).test(text))
        },
      ),
      { numRuns: counts.plannedGraphs },
    )
  })

  test.each([
    ['"a*b"', 'a*b', 'axb'],
    ['x."a?b"', 'x.a?b', 'x.acb'],
    ['"a*b"*', 'a*bc', 'axbc'],
    ['*."A ""b"""', 'x.A "b"', 'x.A b'],
    ['U&"a\\200Bb"', 'a\u200bb', 'ab'],
    ['"a', '"a', 'a'],
    ['a?', 'a🛫', 'a'],
  ])('with quotes, %s, fits %s and not %s', (pattern, fitting, other) => {
    expect(matchesGlob(pattern, fitting.split('.'))).toBe(true)
    expect(matchesGlob(pattern, other.split('.'))).toBe(false)
  })

  test('with a quoted part knows a dot in a name from the one between schema and name', () => {
    expect(matchesGlob('*."b.c"', ['a', 'b.c'])).toBe(true)
    expect(matchesGlob('*."b.c"', ['a.b', 'c'])).toBe(false)
    expect(matchesGlob('*."b.c"', ['a', 'z.b.c'])).toBe(false)
    expect(matchesGlob('a.b*', ['a.b', 'c'])).toBe(true)
    expect([isGlob('"a*b"'), isGlob('"a*b".c?')]).toEqual([false, true])
    expect([withSchema('"b.c"'), withSchema('b.c')]).toEqual(['*."b.c"', 'b.c'])
  })

  test('made for endless backtracking is matched quickly', () => {
    expect(matchesGlob(`${'*a'.repeat(60)}*b`, ['a'.repeat(127)])).toBe(false)
  })
})

describe('the end of a batch', () => {
  const ended = (status: 'success' | 'failed' | 'canceled' | 'skipped', why: string | null = null) =>
    ({ runId: 1, attempt: 1, due: true, status, class: why, sqlstate: null }) as const
  const end = (attempts: ReturnType<typeof ended>[], canceled = false) =>
    planBatchEnd(
      attempts.map((_, id) => ({ id, view: `v${id}` })),
      new Map(attempts.map((attempt, id) => [id, attempt])),
      canceled,
    )

  test.each([
    ['success', [ended('success'), ended('skipped')], false],
    ['skipped', [ended('skipped'), ended('skipped')], false],
    ['failed', [ended('success'), ended('failed', 'RunLost')], false],
    ['failed', [ended('canceled', 'Canceled'), ended('success')], false],
    ['canceled', [ended('success'), ended('canceled', 'Canceled')], true],
    ['success', [ended('success')], true],
  ] as const)('is %s', (status, attempts, canceled) => {
    expect(end([...attempts], canceled).status).toBe(status)
  })

  test.each([
    ['success', ended('success')],
    ['failed', ended('skipped', 'UpstreamFailed')],
  ] as const)('is %s if a view that came along failed, and another one is %o', (status, other) => {
    const views = [
      { id: 0, view: 'along', includedBecause: 'it is paused' },
      { id: 1, view: 'other', includedBecause: null },
    ]
    const latest = new Map([ended('failed', 'ViewSqlFailed'), other].map((run, id) => [id, run]))
    expect(planBatchEnd(views, latest, false).status).toBe(status)
  })

  test('is failed if views are missing that it was to refresh, also if it has nothing else', () => {
    expect(planBatchEnd([], new Map(), false, ['app.sales'])).toEqual({
      status: 'failed',
      error: { class: 'ViewsFailed', message: expect.stringContaining('app.sales'), views: ['app.sales'] },
    })
  })

  test('names the views that failed, twenty in its message', () => {
    const { error } = end(Array.from({ length: 50 }, () => ended('failed', 'ViewSqlFailed')))
    expect(error?.views).toHaveLength(50)
    expect(error?.message).toMatch(/^50 of 50 views failed: v0 \(ViewSqlFailed\), .*, and 30 more\.$/)
  })
})

describe('what is left of a batch', () => {
  const node = (id: number, parents: number[], changes = {}) => ({
    id,
    parents,
    estimateMs: 100,
    ended: false,
    elapsedMs: null,
    waitMs: 0,
    ...changes,
  })

  test('is the longest chain of views, or all work divided by the concurrency', () => {
    const chain = [node(1, []), node(2, [1]), node(3, [2])]
    expect(estimateRest(chain, 4)).toBe(300)
    const wide = [1, 2, 3, 4].map((id) => node(id, []))
    expect(estimateRest(wide, 2)).toBe(200)
    const begun = [
      node(1, [], { ended: true }),
      node(2, [1], { elapsedMs: 30 }),
      node(3, [2]),
      node(4, [], { elapsedMs: 500 }),
    ]
    expect(estimateRest(begun, 4)).toBe(170)
  })

  test('counts the wait before a retry, which is no work', () => {
    const waiting = [node(1, [], { waitMs: 300_000 }), node(2, [1]), node(3, [])]
    expect(estimateRest(waiting, 1)).toBe(300_200)
    expect(estimateRest([node(1, [], { waitMs: 50 }), node(2, []), node(3, [])], 1)).toBe(300)
  })
})
