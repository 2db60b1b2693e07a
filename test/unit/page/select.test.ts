import { expect, test } from 'vitest'
import { select } from '../../../page/pages/views.tsx'
import { countStates } from '../../../src/resources/views.ts'

const hour = 3_600_000
const viewOf = (view: string, more: object = {}) => ({
  view,
  state: 'fresh',
  culprit: null,
  missing: false,
  populated: true,
  paused: false,
  stale: false,
  staleMs: hour,
  maxStaleMs: 10 * hour,
  estimatedRows: 1,
  sizeBytes: 1,
  nextRun: null,
  lastRun: { id: 1, status: 'success', requestedAt: '', durationMs: 5 },
  ...more,
})
const views = [
  viewOf('a.calm'),
  viewOf('b.never', {
    state: 'unknown',
    staleMs: null,
    maxStaleMs: null,
    lastRun: null,
    estimatedRows: null,
  }),
  viewOf('a.stale', { state: 'stale', stale: true, staleMs: 30 * hour }),
  viewOf('b.failed', {
    state: 'failed',
    lastRun: { id: 2, status: 'failed', requestedAt: '', durationMs: 9 },
  }),
  viewOf('b.missing', { state: 'missing', missing: true, populated: false, sizeBytes: null }),
  viewOf('a.empty', {
    state: 'unpopulated',
    populated: false,
    nextRun: '2026-11-20T09:00:00Z',
    estimatedRows: 70,
  }),
  viewOf('a.busy', {
    lastRun: { id: 3, status: 'running', requestedAt: '', durationMs: null },
    paused: true,
    state: 'paused',
  }),
] as never[]
const names = (query: Record<string, string>) => select(views, query).map(({ view }) => view)

test('the most urgent views come first: missing, failed, without data, stale', () => {
  expect(names({})).toEqual(['b.missing', 'b.failed', 'a.empty', 'a.stale', 'a.busy', 'b.never', 'a.calm'])
})

test.each([
  ['name', 'a.busy'],
  ['age', 'a.stale'],
  ['duration', 'b.failed'],
  ['rows', 'a.empty'],
  ['next', 'a.empty'],
])('by %s, %s is the first', (sort, first) => {
  expect(names({ sort })[0]).toBe(first)
})

test('a state and all words of a search narrow the list', () => {
  expect(names({ state: 'stale' })).toEqual(['a.stale'])
  expect(names({ state: 'unknown' })).toEqual(['b.never'])
  expect(names({ q: ' ST  a. ' })).toEqual(['a.stale'])
  expect(names({ q: 'b.', state: 'failed' })).toEqual(['b.failed'])
  expect(names({ q: 'nothing' })).toEqual([])
})

test('a state or an order that nobody knows changes nothing', () => {
  expect(names({ state: 'blue' })).toHaveLength(views.length)
  expect(names({ sort: 'blue' })[0]).toBe('a.busy')
})

test('each state is counted', () => {
  expect(countStates(views)).toEqual({
    stale: 1,
    failed: 1,
    heldBack: 0,
    unknown: 1,
    running: 1,
    paused: 1,
    missing: 1,
    aside: 0,
    unpopulated: 1,
  })
})
