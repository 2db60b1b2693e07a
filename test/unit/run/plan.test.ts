import { describe, expect, test } from 'vitest'
import type { RowCountStrategy } from '../../../src/catalog/plan/definition.ts'
import { planRebuild } from '../../../src/rebuild/plan/plan.ts'
import { alone } from '../../../src/rebuild/plan/scope.ts'
import { planConcurrentRefresh, planRegularRefresh } from '../../../src/run/plan/refresh.ts'
import type { Statement } from '../../../src/sql/plan.ts'
import { liveView, viewFacts } from '../../support/views/facts.ts'

const options = {
  rowCountStrategy: 'none' as RowCountStrategy,
  timeoutSeconds: 100,
  ifRunning: 'skip' as const,
  settings: {},
}
const isCount = ({ kind }: Statement) => kind === 'count' || kind === 'asked'

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

  test('counts exactly by the tuples written, or without tuple counters after the commit', () => {
    const exact = { ...options, rowCountStrategy: 'exact' as const }
    expect(planRegularRefresh(viewFacts(), exact)).toMatchObject({
      prepare: [
        { sql: `select jsonb_build_object('rows', count(*)) as found from "app"."Sales"`, when: 'before' },
      ],
      written: `select pg_catalog.pg_stat_get_xact_tuples_inserted(to_regclass('"app"."Sales"'))`,
      later: [],
    })
    expect(planRegularRefresh(viewFacts({ tuplesAreCounted: false }), exact)).toMatchObject({
      written: null,
      later: [
        { sql: `select jsonb_build_object('rows', count(*)) as found from "app"."Sales"`, when: 'after' },
      ],
    })
  })
})

describe('every strategy', () => {
  const plans = (rowCountStrategy: RowCountStrategy, populated = true) => {
    const view = viewFacts({ populated })
    const all = { ...options, rowCountStrategy }
    const swap = planRebuild(
      alone(view.oid, { live: liveView(), hash: 'h', hashWithoutGrants: 'h' }),
      view,
      all,
    )
    return { regular: planRegularRefresh(view, all), concurrent: planConcurrentRefresh(view, all), swap }
  }

  test('counts nothing while readers are locked out', () => {
    for (const how of ['exact', 'estimated'] as const) {
      const { regular, swap } = plans(how)
      for (const plan of [regular, swap]) expect(plan.locked.statements.filter(isCount)).toEqual([])
    }
  })
})
