import { describe, expect, test } from 'vitest'
import { planRegularRefresh } from '../../../src/run/plan/refresh.ts'
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
      { schema: 'app', name: 'Sales', to: 'fill' },
    ])
    expect(JSON.stringify(plan).length).toBeLessThan(5_000)
  })
})
