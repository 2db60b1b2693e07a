import { describe, expect, test } from 'vitest'
import { planRegularRefresh } from '../../../src/run/plan/in-place.ts'
import { viewFacts } from '../../support/views/facts.ts'

const options = {
  timeoutSeconds: 100,
  ifRunning: 'skip' as const,
  settings: {},
}

describe('a regular refresh', () => {
  test('names what it does, so that its row holds no long query for the hints of a failure', () => {
    const plan = planRegularRefresh(viewFacts(), options)
    expect(plan.locked.statements.flatMap(({ obstacles }) => obstacles ?? [])).toEqual([
      { schema: 'app', name: 'Sales', to: 'own' },
      { schema: 'app', name: 'Sales', to: 'own' },
      { schema: 'app', name: 'Sales', to: 'own' },
      { schema: 'app', name: 'Sales', to: 'fill' },
    ])
    expect(JSON.stringify(plan).length).toBeLessThan(5_000)
  })
  test('notes how old the data will be before readers are locked out, and not again while they wait', () => {
    const { statements } = planRegularRefresh(viewFacts(), options).locked
    const fills = statements.flatMap(({ fills }, at) =>
      fills === undefined ? [] : { at, noted: fills.noted },
    )
    const locked = statements.findIndex(({ locksReaders }) => locksReaders)
    expect(fills).toEqual([
      { at: expect.any(Number), noted: undefined },
      { at: statements.length - 1, noted: true },
    ])
    expect(fills[0]!.at).toBeLessThan(locked)
    // Else what the view reads could change between the note and its lock.
    expect(statements[fills[0]!.at - 1]!.sql).toContain('viewkeeper.lock_read')
  })

  test('of a view that we may not alter, which is locked by the refresh itself, notes it then', () => {
    const { statements } = planRegularRefresh(viewFacts({ mayAlter: false }), options).locked
    expect(statements.flatMap(({ fills }) => fills ?? [])).toEqual([
      { view: ['app', 'Sales'], relation: '"app"."Sales"' },
    ])
  })
})
