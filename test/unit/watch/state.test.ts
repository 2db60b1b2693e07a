import { expect, test } from 'vitest'
import { summaryOf } from '../../../cli/output/view-lines.ts'
import { anyStates, byUrgency, filters, states } from '../../../src/catalog/plan/state.ts'
import { signOf as onPage } from '../../../src/resources/cell.ts'
import { judge } from '../../../src/watch/diagnosis/cause.ts'
import { examined } from '../../support/views/examined.ts'

const at = new Date('2026-11-20T09:00:00Z')
const well = { asOf: at, lastSuccessAt: at, staleMs: 1, maxStaleMs: 10 }
const failure = { at, class: 'ViewSqlFailed' }

test('command line and page say the same word of every state', () => {
  const { state, ...view } = examined('app.v', { ...well, maxStaleMs: null })
  expect(onPage(state).word).toBe('no limit')
  expect(summaryOf([{ ...view, state } as never])).toBe('1 view, no limit')
  for (const each of anyStates) expect(onPage(each).word).toBe(states[each].word)
})

test.each([
  ['missing', { missing: true, populated: false, failure }],
  ['aside', { missing: true, populated: false, aside: { since: at, by: 'shop' } }],
  ['failed', { failure, stale: true, pausedSince: at }],
  ['failed', { failure, populated: false }],
  ['unpopulated', { populated: false, stale: true }],
  ['heldBack', { leftOutSince: at, stale: true }],
  ['heldBack', { failure: { at, class: 'NotExchanged' } }],
  ['stale', { stale: true }],
  ['paused', { pausedSince: at, asOf: null }],
  ['unknown', { asOf: null }],
  ['unknown', { asOf: null, lastSuccessAt: null, staleMs: null, maxStaleMs: null }],
  ['unlimited', { maxStaleMs: null }],
  ['fresh', {}],
])('the most urgent of all that is true of a view is told: %s', (state, more) => {
  expect(examined('app.v', { ...well, ...more }).state).toBe(state)
})

test('who fails is failed, who waits for it is held back by it, and below it; what needs nobody is not touched', () => {
  const old = { ...well, stale: true, staleMs: 20 }
  const views = [
    examined('app.a_well', well),
    examined('app.b_late', old),
    examined('app.c_top', { ...well, leftOutSince: at }),
    examined('app.d_middle', { ...old, leftOutSince: at, heldBackBy: 'app.e_culprit' }),
    examined('app.e_culprit', { ...well, failure }),
    examined('app.f_beside', well),
    examined('app.g_paused', { ...old, stale: false, pausedSince: at }),
    examined('app.h_below_pause', { ...old, asOf: new Date(0), heldBackBy: 'app.g_paused' }),
  ]
  const reads = new Map([
    ['app.c_top', ['app.d_middle']],
    ['app.d_middle', ['app.e_culprit']],
    ['app.f_beside', ['app.e_culprit']],
    ['app.h_below_pause', ['app.g_paused']],
  ])
  const judged = judge(views, reads)
  expect(judged.map(({ view, state, culprit }) => [view, state, culprit])).toEqual([
    ['app.a_well', 'fresh', null],
    ['app.b_late', 'stale', null],
    ['app.c_top', 'heldBack', 'app.e_culprit'],
    ['app.d_middle', 'heldBack', 'app.e_culprit'],
    ['app.e_culprit', 'failed', null],
    ['app.f_beside', 'fresh', null],
    ['app.g_paused', 'paused', null],
    ['app.h_below_pause', 'heldBack', 'app.g_paused'],
  ])
  const order = byUrgency(judged.map((view) => ({ ...view, paused: view.pausedSince !== null })))
  expect(order.map(({ view }) => view)).toEqual([
    'app.e_culprit',
    'app.d_middle',
    'app.c_top',
    'app.h_below_pause',
    'app.b_late',
    'app.g_paused',
    'app.a_well',
    'app.f_beside',
  ])
})

test('a view is running while the server works on it, not while its run waits', () => {
  const of = (status: string) =>
    filters.running({ ...examined('app.v', well), paused: false, lastRun: { status } })
  expect(['running', 'pending', 'built'].map(of)).toEqual([true, false, false])
})
