import { expect, test } from 'vitest'
import { summaryOf } from '../../../../cli/output/views.ts'
import { signOf as onPage } from '../../../../page/app/words/sign.ts'
import {
  anyStates,
  filters,
  stateBesideLastRun as inList,
  states,
  worstOf,
} from '../../../../src/plan/diagnosis/state.ts'

const view = {
  missing: false,
  populated: true,
  stale: false,
  paused: false,
  staleMs: 1,
  maxStaleMs: null,
  lastRun: null,
  aside: null,
  retry: null,
}

test('command line and page say the same word of every state', () => {
  expect(onPage(inList(view as never)).word).toBe('no limit')
  expect(summaryOf([view as never])).toBe('1 view, no limit')
  for (const state of anyStates) expect(onPage(state)).toMatchObject(states[state])
})

test('the most urgent of all that is true of a view is told', () => {
  const failed = { lastRun: { status: 'failed' } }
  expect(worstOf({ ...view, ...failed, stale: true, paused: true })).toBe('failed')
  expect(worstOf({ ...view, ...failed, missing: true, populated: false })).toBe('missing')
  expect(worstOf({ ...view, paused: true })).toBe('paused')
})

test('a view is running while the server works on it, not while its run waits', () => {
  const of = (status: string) => filters.running({ ...view, lastRun: { status } })
  expect(['running', 'pending', 'built'].map(of)).toEqual([true, false, false])
})
