import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { turnsBetween } from '../../../../src/operations/monitoring/schedules.ts'
import { type ShortLag, shortLags } from '../../../../src/plan/batches/due.ts'
import { brokenPromises } from '../../../../src/plan/batches/promises.ts'
import {
  type ForetoldView,
  simulate as foretell,
  simulatedEveryMs,
  type Turn,
} from '../../../../src/plan/batches/simulate.ts'
import { keepable, minute, simulate as simulatePlanner } from './lag-simulation.ts'

const from = Date.UTC(2026, 10, 23, 9)
const hour = 60 * minute

let ids = 0
const view = (name: string, more: Partial<ForetoldView> = {}): ForetoldView => ({
  id: ++ids,
  schema: 's',
  name,
  view: name,
  inAll: true,
  schedule: null,
  timeZone: null,
  paused: false,
  retries: 1,
  retryDelaySeconds: 300,
  lagMs: null,
  limitMs: null,
  follows: more.lagMs !== undefined,
  busy: false,
  asOf: from,
  heldBackBy: null,
  filledAt: from,
  usualMs: 10_000,
  failures: 0,
  suspendAfter: 5,
  intervalMs: null,
  failedAt: null,
  leftOutShare: 0,
  ...more,
})

interface Given {
  reads?: Record<string, string[]>
  turns?: Turn[]
  concurrency?: number
  hours?: number
}
const told = (views: ForetoldView[], { reads = {}, turns = [], concurrency = 2, hours = 24 }: Given = {}) => {
  const dependencies = new Map(Object.entries(reads))
  const by = { everyMs: minute, concurrency }
  const found = foretell(views, dependencies, turns, { now: from, from, hours, ...by })
  const short = shortLags(views, dependencies, by)
  const alone = shortLags(views, dependencies, { ...by, concurrency: Infinity })
  return {
    ...found,
    byName: Object.fromEntries(found.views.map((each) => [each.view, each])),
    broken: found.views.flatMap((each, at) =>
      brokenPromises(views[at]!, each, {
        short: judged(short, alone, each.view),
        everyMs: minute,
        isHeld: isPaused(views, each.heldBackBy),
      }).map(({ promise, text }) => `${promise} of ${each.view}: ${text}`),
    ),
  }
}
const judged = (short: ShortLag[], alone: ShortLag[], name: string) => {
  const found = short.find(({ view }) => view === name)
  return found && { ...found, alone: alone.some(({ view }) => view === name) }
}
const every = (ms: number, ...views: string[]): Turn[] =>
  Array.from({ length: Math.ceil((24 * hour) / ms) }, (_, at) => ({
    at: from + at * ms,
    key: `${views}`,
    views,
  }))

describe('what is foretold of schedules', () => {
  test('is one refresh for each turn, and in each hour the time that they take', () => {
    const { hours, byName } = told([view('a')], { turns: every(30 * minute, 'a') })
    expect(byName.a).toMatchObject({ refreshes: 48, turns: 48, missedTurns: 0, busyMs: 480_000 })
    expect(hours).toHaveLength(24)
    for (const each of hours) expect(each).toMatchObject({ refreshes: 2, busyMs: 20_000, atOnce: 1 })
  })

  test('is a batch in dependency order, so many views at once', () => {
    const reads = { b: ['a'], c: ['a'], d: ['a'] }
    const views = ['a', 'b', 'c', 'd'].map((name) => view(name, { usualMs: 40 * minute }))
    const { hours } = told(views, { reads, turns: [{ at: from, key: 'all', views: ['d', 'c', 'b', 'a'] }] })
    // a, then two others, then the last.
    expect(hours.slice(0, 3).map(({ refreshes }) => refreshes)).toEqual([3, 1, 0])
    expect(hours.slice(0, 3).map(({ atOnce }) => atOnce)).toEqual([2, 2, 0])
    expect(hours.map(({ busyMs }) => busyMs / minute).slice(0, 3)).toEqual([80, 80, 0])
  })

  test('tells a refresh over the full hour in both hours', () => {
    const { hours } = told([view('a', { usualMs: 90 * minute })], {
      turns: [{ at: from + 50 * minute, key: 'all', views: ['a'] }],
    })
    expect(hours.slice(0, 4)).toMatchObject([
      { refreshes: 1, busyMs: 10 * minute, atOnce: 1 },
      { refreshes: 0, busyMs: 60 * minute, atOnce: 1 },
      { refreshes: 0, busyMs: 20 * minute, atOnce: 1 },
      { refreshes: 0, busyMs: 0, atOnce: 0 },
    ])
  })

  test('tells the turns that come while the view is still being refreshed', () => {
    const { byName, broken } = told([view('a', { usualMs: 45 * minute })], {
      turns: every(30 * minute, 'a'),
    })
    expect(byName.a).toMatchObject({ refreshes: 24, turns: 48, missedTurns: 24, missedBecause: 'long' })
    expect(broken).toEqual([
      'schedule of a: 24 of 48 turns of its schedules are skipped, because the batch of the turn before is still open',
    ])
  })

  test('skips a whole batch while one of the same selection is open', () => {
    const views = [view('slow', { usualMs: 45 * minute }), view('quick')]
    const { byName } = told(views, { turns: every(30 * minute, 'slow', 'quick') })
    expect(byName.slow).toMatchObject({ refreshes: 24, missedTurns: 24, missedBecause: 'long' })
    expect(byName.quick).toMatchObject({ refreshes: 24, missedTurns: 24, missedBecause: null })
  })

  test('refreshes a view that another batch refreshes again after that, and says if turns are missed for that reason', () => {
    const views = [view('a', { usualMs: 40 * minute })]
    const all = { at: from + 50 * minute, key: 'all', views: ['a'] }
    const { byName, hours } = told(views, { turns: [...every(hour, 'a'), all] })
    // At 9:00, at 9:50, at 10:30 (of 10:00, until 11:10), and at 12:00.
    expect(hours.slice(0, 4).map(({ refreshes }) => refreshes)).toEqual([2, 1, 0, 1])
    expect(byName.a).toMatchObject({ refreshes: 24, turns: 25, missedTurns: 1, missedBecause: 'met' })
    expect(hours.every(({ atOnce }) => atOnce <= 1)).toBe(true)
  })

  test('leaves out views in a circle and those that read them, as no batch can refresh them', () => {
    const reads = { a: ['b'], b: ['a'], c: ['b'], d: [] }
    const views = ['a', 'b', 'c', 'd'].map((name) => view(name))
    const { byName } = told(views, { reads, turns: every(hour, 'a', 'b', 'c', 'd') })
    expect(['a', 'b', 'c', 'd'].map((name) => byName[name]!.refreshes)).toEqual([0, 0, 0, 24])
  })

  test('leaves out what is paused, and what changes nothing by history', () => {
    const views = [view('paused', { paused: true }), view('quiet', { leftOutShare: 0.75 })]
    const { byName } = told(views, { turns: every(30 * minute, 'paused', 'quiet') })
    expect(byName.paused).toMatchObject({ refreshes: 0, turns: 0 })
    expect(byName.quiet).toMatchObject({ refreshes: 48, leftOut: 36, busyMs: 120_000 })
  })

  test('says when data become older than their limit, and which view holds them back', () => {
    const reads = { child: ['root'] }
    const views = [view('child', { limitMs: 2 * hour }), view('root')]
    const { byName, broken } = told(views, { reads, turns: every(hour, 'child') })
    expect(byName.child).toMatchObject({ oldestMs: 24 * hour, heldBackBy: 'root' })
    expect(broken).toEqual([
      'limit of child: its limit is 2 h, and its data become 24 h 00 min old, because root holds it back',
    ])
    expect(told(views, { reads, turns: every(hour, 'child', 'root') }).broken).toEqual([])
  })

  test('blames no view that was read a little earlier in the same batch, nor one of unknown age', () => {
    const reads = { child: ['root'] }
    const of = (more: Partial<ForetoldView>, turns: Turn[]) =>
      told([view('root', more), view('child')], { reads, turns }).byName.child
    expect(of({}, every(hour, 'root', 'child'))).toMatchObject({ heldBackBy: null })
    expect(of({ usualMs: 2 * minute }, every(hour, 'root', 'child'))).toMatchObject({ heldBackBy: 'root' })
    expect(of({ asOf: null, filledAt: null }, every(hour, 'child'))).toMatchObject({ heldBackBy: null })
  })

  test('is no broken limit of a view that neither a schedule nor a target lag refreshes', () => {
    const old = { limitMs: hour, asOf: from - 3 * hour, filledAt: from - 3 * hour }
    expect(told([view('outside', old)]).broken).toEqual([])
    const { byName, broken } = told([view('late', old)], { turns: every(30 * minute, 'late') })
    // An outage that ends at the first turn: the limit is broken until then, and not afterwards.
    expect(broken).toEqual(['limit of late: its limit is 60 min, and its data become 3 h 00 min old'])
    expect(byName.late!.steadyMs).toBeLessThan(hour)
  })
})

describe('what is foretold of target lags', () => {
  test('that can be kept is that they are kept, but for one look if a view waits for one that it reads', () => {
    fc.assert(
      fc.property(keepable(2.5), fc.constantFrom(2, 7), (drawn, concurrency) => {
        const { views } = told(...given(drawn, concurrency, 6))
        views.forEach(({ oldestMs }, at) => {
          const { lagMs } = drawn[at]!
          if (lagMs !== null) expect(oldestMs).toBeLessThanOrEqual(lagMs + minute)
        })
      }),
    )
  })

  test('is what the planner does in a simulation of its own', () => {
    fc.assert(
      fc.property(keepable(2.5), (drawn) => {
        const { views } = told(...given(drawn, 2, 6))
        const { began } = simulatePlanner(drawn, { hours: 6, noise: () => 0.5 })
        views.forEach(({ refreshes }, at) => {
          const expected = began.filter(({ view }) => view === at).length
          // The two begin their batches some seconds apart, so now and then a view is due one look earlier.
          expect(Math.abs(refreshes - expected)).toBeLessThanOrEqual(2 + expected / 4)
        })
      }),
      { numRuns: 50 },
    )
  })

  test('that are too short is which would work', () => {
    const { broken } = told([view('a', { lagMs: 10 * minute, usualMs: 5 * minute })])
    expect(broken).toEqual(['lag of a: the target lag of 10 min cannot be kept: 14 min can'])
  })

  test('that a paused view holds back is no broken promise', () => {
    const views = [view('child', { lagMs: hour }), view('root', { paused: true })]
    const { byName, broken } = told(views, { reads: { child: ['root'] } })
    expect(byName.child).toMatchObject({ heldBackBy: 'root' })
    expect(broken).toEqual([])
  })

  test('that are missed by less than a look, or are too short by load alone and are kept, are not broken', () => {
    const of = (oldestMs: number, short?: { alone: boolean }) => {
      const facts = view('a', { lagMs: 10 * minute, limitMs: 10 * minute })
      const [foretold] = told([facts]).views
      return brokenPromises(
        facts,
        { ...foretold!, oldestMs },
        {
          short: short && { view: 'a', worksMs: 20 * minute, ...short },
          everyMs: minute,
          isHeld: false,
        },
      ).map(({ promise }) => promise)
    }
    expect(of(10 * minute + 59_000)).toEqual([])
    expect(of(11 * minute + 1000)).toEqual(['lag'])
    expect(of(10 * minute, { alone: false })).toEqual([])
    expect(of(10 * minute + 1000, { alone: false })).toEqual(['lag'])
    expect(of(5 * minute, { alone: true })).toEqual(['lag'])
  })

  test('of very many views is at every second look, or more rarely', () => {
    expect(simulatedEveryMs(347, minute, 24)).toBe(minute)
    expect(simulatedEveryMs(348, minute, 24)).toBe(2 * minute)
    expect(simulatedEveryMs(1000, minute, 24)).toBe(3 * minute)
    expect(simulatedEveryMs(1000, 5 * minute, 24)).toBe(5 * minute)
  })

  test('that a schedule holds back is by which view', () => {
    const views = [view('child', { lagMs: hour }), view('root')]
    const { broken } = told(views, { reads: { child: ['root'] }, turns: every(6 * hour, 'root') })
    expect(broken).toEqual([
      'lag of child: the target lag is 60 min, and its data become 6 h 01 min old, because root holds it back',
    ])
  })
})

test('the hours and the views tell the same work, never more at once than batches allow, and each turn once', () => {
  const drawn = fc.array(
    fc.record({
      usualMs: fc.integer({ min: 1, max: 3 * hour }),
      reads: fc.array(fc.nat(8), { maxLength: 3 }),
      paused: fc.boolean(),
      leftOutShare: fc.constantFrom(0, 0.3, 1),
    }),
    { minLength: 1, maxLength: 9 },
  )
  const turns = fc.array(fc.record({ at: fc.integer({ min: 0, max: 26 * hour }), key: fc.nat(2) }))
  const selections = fc.array(fc.uniqueArray(fc.nat(8)), { minLength: 3, maxLength: 3 })
  fc.assert(
    fc.property(
      drawn,
      turns,
      selections,
      fc.integer({ min: 1, max: 4 }),
      (drawn, turns, selections, concurrency) => {
        const views = drawn.map(({ reads: _, ...more }, at) => view(`v${at}`, more))
        const reads = Object.fromEntries(
          drawn.map(({ reads }, at) => [
            `v${at}`,
            reads.filter((read) => read < at).map((read) => `v${read}`),
          ]),
        )
        const named = turns.map(({ at, key }) => ({
          at: from + at,
          key: `${key}`,
          views: selections[key]!.map((each) => `v${each}`),
        }))
        const found = told(views, { reads, turns: named, concurrency })
        const sum = (of: { busyMs: number; refreshes: number }[]) =>
          of.reduce(([ms, many], each) => [ms! + each.busyMs, many! + each.refreshes], [0, 0])
        expect(sum(found.views)).toEqual(sum(found.hours))
        for (const { busyMs, atOnce } of found.hours) {
          expect(atOnce).toBeLessThanOrEqual(concurrency * turns.length)
          expect(busyMs).toBeLessThanOrEqual(atOnce * hour)
        }
        for (const each of found.views) {
          const turnsOf = named.filter(({ at, views }) => at < from + 24 * hour && views.includes(each.view))
          expect(each.turns).toBe(isPaused(views, each.view) ? 0 : turnsOf.length)
          // What waits in a batch at the end has not begun: at most one batch of each selection is open.
          const began = each.turns - each.missedTurns
          expect(each.refreshes).toBeLessThanOrEqual(began)
          expect(each.refreshes).toBeGreaterThanOrEqual(began - 3)
          expect(each.leftOut).toBeLessThanOrEqual(each.refreshes)
        }
      },
    ),
  )
})

test('the turns of schedules have the times of cron in its time zone, and views with equal times share a batch', () => {
  const at = (text: string) => new Date(text)
  const definition = (view: string, schedule: string | null, inAll = false) => ({
    view,
    schedule,
    timeZone: schedule === null || schedule === 'none' ? null : 'Europe/Berlin',
    inAll,
  })
  const turns = turnsBetween(
    [
      definition('a', '0 6,18 * * *'),
      definition('b', '0 6,18 * * *', true),
      definition('c', null, true),
      definition('d', 'none'),
    ],
    { nightly: { schedule: '30 2 * * *', timeZone: 'UTC' }, views: true },
    at('2026-03-28T12:00:00Z'),
    at('2026-03-29T12:00:00Z'),
  )
  // The clock is put forward that night.
  expect(turns.map(({ at, views }) => `${new Date(at).toISOString().slice(8, 16)} ${views}`).sort()).toEqual([
    '28T17:00 a,b',
    '29T02:30 b,c',
    '29T04:00 a,b',
  ])
})

const isPaused = (views: ForetoldView[], name: string | null) =>
  views.some((each) => each.view === name && each.paused)

const given = (
  drawn: { usualMs: number; reads: number[]; lagMs: number | null }[],
  concurrency: number,
  hours: number,
): [ForetoldView[], Given] => [
  drawn.map(({ usualMs, lagMs }, at) => view(`v${at}`, { usualMs, lagMs, follows: true })),
  {
    reads: Object.fromEntries(drawn.map(({ reads }, at) => [`v${at}`, reads.map((read) => `v${read}`)])),
    concurrency,
    hours,
  },
]
