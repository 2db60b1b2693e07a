import { describe, expect, test } from 'vitest'
import type { LagView } from '../../../../src/plan/batches/due.ts'
import {
  type Evidence,
  type Expected,
  lagsThatWork,
  recommend,
} from '../../../../src/plan/batches/recommend.ts'

const hour = 3600_000
const evidence = (more: Partial<Evidence> = {}): Evidence => ({
  view: 'public.sales',
  authored: true,
  strategy: 'auto',
  refreshes: 40,
  regular: 0,
  regularMs: null,
  because: null,
  latestIs: true,
  leftOutShare: 0,
  unreadMs: null,
  hasKey: true,
  ...more,
})
const expected = (more: Partial<Expected> = {}): Expected => ({
  refreshes: 24,
  turns: 24,
  missedBecause: null,
  heldBackBy: null,
  steadyMs: hour,
  usualMs: 60_000,
  lagMs: null,
  limitMs: null,
  schedule: '*/30 * * * *',
  inAll: true,
  failures: 0,
  broken: [],
  looksEveryMs: 60_000,
  isParent: false,
  worksMs: null,
  ...more,
})
const found = (of: Partial<Evidence>, by: Partial<Expected> = {}) =>
  recommend(evidence(of), expected(by)).map(({ subject, change }) => [subject, change])

describe('a recommendation', () => {
  test('is none for a view that keeps its promises', () => {
    expect(found({})).toEqual([])
  })

  test('names the target lag that can be kept, and a target lag instead of a schedule that cannot', () => {
    const lag = { promise: 'lag' as const, text: 'the target lag of 10 min cannot be kept: 14 min can' }
    expect(found({}, { broken: [lag], lagMs: 600_000, worksMs: 840_000 })).toEqual([
      ['target', 'targetLagSeconds: 840'],
    ])
    const turns = { promise: 'schedule' as const, text: '24 of 48 turns come too soon' }
    const missed = { broken: [turns], usualMs: 45 * 60_000, worksMs: 6840_000 }
    expect(found({}, { ...missed, missedBecause: 'long' })).toEqual([
      ['schedule', 'targetLagSeconds: 6840, instead of schedule and timeZone'],
    ])
    expect(found({}, { ...missed, missedBecause: 'met' })).toEqual([['schedule', 'inAll: false']])
    expect(found({}, { ...missed, missedBecause: 'met', inAll: false })).toEqual([])
    expect(found({}, missed)).toEqual([])
    expect(found({}, { ...missed, missedBecause: 'long', schedule: null })).toEqual([])
    expect(found({}, { ...missed, missedBecause: 'long', worksMs: null })).toEqual([])
  })

  test('names a limit that can be kept, but not if another view holds the view back', () => {
    const broken = [{ promise: 'limit' as const, text: 'its limit is 2 h' }]
    const late = { broken, steadyMs: 3 * hour, limitMs: 2 * hour }
    expect(found({}, late)).toEqual([['limit', 'maxStalenessSeconds: 10860, or a schedule with more turns']])
    expect(found({}, { ...late, turns: 0 })).toEqual([['limit', 'maxStalenessSeconds: 10860']])
    expect(found({}, { ...late, heldBackBy: 'public.root' })).toEqual([])
    // An outage: the data were older than ever before the first refresh, or refreshes fail.
    expect(found({}, { ...late, steadyMs: hour })).toEqual([])
    expect(found({}, { ...late, failures: 1 })).toEqual([])
  })

  test('is another strategy, or a key, for a view whose refreshes lock readers out for long', () => {
    const locking = { regular: 40, regularMs: 12_000 }
    expect(found({ strategy: 'regular', ...locking })).toEqual([['strategy', "strategy: 'auto'"]])
    expect(found({ hasKey: false, ...locking })).toEqual([
      ['key', "uniqueKey: ['<the columns that identify a row>']"],
    ])
    expect(found({ hasKey: false, authored: false, ...locking })).toEqual([
      ['key', 'create unique index concurrently on public.sales (<the columns that identify a row>)'],
    ])
    expect(found({ hasKey: true, ...locking })).toEqual([])
    expect(found({ hasKey: false, ...locking, latestIs: false })).toEqual([])
    expect(found({ strategy: 'regular', hasKey: false, ...locking })).toEqual([
      ['strategy', "strategy: 'auto', and uniqueKey: ['<the columns that identify a row>']"],
    ])
    expect(found({ strategy: 'regular', regular: 40, regularMs: 999 })).toEqual([])
    expect(found({ strategy: 'regular', regular: 20, regularMs: 12_000 })).toEqual([])
    const [one] = recommend(
      evidence({ hasKey: false, ...locking, because: 'there is no usable unique index' }),
      expected(),
    )
    expect(one?.text).toBe(
      '40 of the last 40 refreshes were regular and locked readers out for 12 s each: there is no usable unique index',
    )
  })

  test.each([
    [19, 'none', null],
    [20, 'fair', "strategy: 'auto'"],
    [99, 'fair', "strategy: 'auto'"],
    [100, 'high', "strategy: 'auto'"],
  ])('by %d refreshes has confidence %s', (refreshes, confidence, change) => {
    const [one] = recommend(
      evidence({ strategy: 'regular', refreshes, regular: refreshes, regularMs: 5000 }),
      expected(),
    )
    expect(one).toMatchObject({ refreshes, confidence, change })
    expect(one!.text.includes(`${refreshes} refreshes of 20`)).toBe(confidence === 'none')
  })
})

describe('a view that nobody reads', () => {
  const unreadMs = 90 * 24 * hour

  test('is told after a quarter of a year, not a moment earlier', () => {
    expect(found({ unreadMs })).toEqual([
      [
        'unread',
        'viewkeeper freeze --remove public.sales -m "nobody reads it", or a schedule with fewer turns',
      ],
    ])
    expect(found({ unreadMs, authored: false })).toEqual([['unread', 'viewkeeper drop public.sales']])
    expect(found({ unreadMs: unreadMs - 1 })).toEqual([])
    expect(found({ unreadMs: null })).toEqual([])
  })

  test.each([
    ['another view reads it', { isParent: true }],
    ['nobody looks', { looksEveryMs: null }],
    ['its refreshes are more than half as frequent as looks', { refreshes: 721 }],
  ])('is not told if %s', (_, more) => {
    expect(found({ unreadMs }, more)).toEqual([])
  })

  test('is told if there are two looks for each of its refreshes', () => {
    expect(found({ unreadMs }, { refreshes: 720 })).toHaveLength(1)
  })
})

describe('the target lags that can be kept', () => {
  const minute = 60_000
  const view = (name: string, more: Partial<LagView>): LagView => ({
    view: name,
    lagMs: null,
    limitMs: null,
    follows: true,
    busy: false,
    asOf: null,
    heldBackBy: null,
    filledAt: null,
    usualMs: minute,
    failures: 0,
    suspendAfter: 5,
    intervalMs: null,
    failedAt: null,
    ...more,
  })
  const look = { everyMs: minute, concurrency: 1 }
  const works = (views: LagView[], unscheduled: string[] = []) =>
    Object.fromEntries(lagsThatWork(views, new Map(), look, new Set(unscheduled)))

  test('change nothing about others if one lag is impossible, unless the others are still too much', () => {
    const impossible = view('a', { lagMs: minute, usualMs: 10 * minute })
    expect(works([impossible, view('b', { lagMs: 60 * minute })])).toEqual({ a: 27 * minute })
    const many = Array.from({ length: 60 }, (_, at) => view(`v${at}`, { lagMs: 60 * minute }))
    expect(Object.keys(works([impossible, ...many]))).toHaveLength(61)
  })

  test('are not below the longest time between two turns of the schedule that they replace', () => {
    const scheduled = (intervalMs: number | null) =>
      works([view('a', { follows: false, usualMs: 45 * minute, intervalMs })], ['a'])
    expect(scheduled(30 * minute)).toEqual({ a: 114 * minute })
    expect(scheduled(65 * 60 * minute)).toEqual({ a: 65 * 60 * minute })
    expect(scheduled(null)).toEqual({})
  })
})
