import { describe, expect, test } from 'vitest'
import type { RowCountStrategy } from '../../../src/catalog/plan/definition.ts'
import { replayGrants } from '../../../src/catalog/plan/grants.ts'
import type { Grant, LiveView } from '../../../src/catalog/plan/live-view.ts'
import { planRebuild } from '../../../src/rebuild/plan/plan.ts'
import { swapRequirements } from '../../../src/rebuild/plan/requirements.ts'
import { alone } from '../../../src/rebuild/plan/scope.ts'
import { planConcurrentRefresh, planRegularRefresh } from '../../../src/run/plan/refresh.ts'
import { type Plan, type Statement, statementsOf } from '../../../src/sql/plan.ts'
import { liveView, viewFacts } from '../../support/views/facts.ts'

const options = {
  rowCountStrategy: 'none' as RowCountStrategy,
  timeoutSeconds: 100,
  ifRunning: 'skip' as const,
  settings: {},
}
const isCount = ({ kind }: Statement) => kind === 'count' || kind === 'countRows'
const cutOverOf = ({ cutOver }: Plan) => cutOver.statements.map(({ sql }) => sql)

describe('a regular refresh', () => {
  test('takes the lock that ends an autovacuum, then tries the exclusive lock briefly, then works without a time-out', () => {
    const plan = planRegularRefresh(viewFacts(), options)
    expect(cutOverOf(plan)).toEqual([
      'alter materialized view "app"."Sales" reset (viewkeeper)',
      "select set_config('lock_timeout', '100', true)",
      `select pg_catalog.pg_get_viewdef('"app"."Sales"'::regclass)`,
      'alter materialized view "app"."Sales" reset (user_catalog_table)',
      "select set_config('lock_timeout', '0', true)",
      'refresh materialized view "app"."Sales"',
    ])
    expect(plan.cutOver).toMatchObject({ lockTimeoutMs: null, recordLockTimeoutMs: 1000 })
    expect(statementsOf(plan)).toEqual(['refresh materialized view "app"."Sales"'])
  })

  test('alters nothing if the role may only refresh, and waits briefly itself', () => {
    const plan = planRegularRefresh(viewFacts({ mayAlter: false }), options)
    expect(cutOverOf(plan)).toEqual(['refresh materialized view "app"."Sales"'])
    expect(plan.cutOver).toMatchObject({ lockTimeoutMs: 100, recordLockTimeoutMs: 1000 })
  })

  test('names what it does, so that its row holds no long query for the hints of a failure', () => {
    const plan = planRegularRefresh(viewFacts(), options)
    expect(plan.cutOver.statements.flatMap(({ obstacles }) => obstacles ?? [])).toEqual([
      { schema: 'app', name: 'Sales', to: 'own' },
      { schema: 'app', name: 'Sales', to: 'own' },
      { schema: 'app', name: 'Sales', to: 'fill' },
    ])
    expect(JSON.stringify(plan).length).toBeLessThan(5_000)
  })

  test('gives up its locks before the time of the run is over', () => {
    expect(planRegularRefresh(viewFacts(), options).cutOver.giveUpAfterMs).toBe(80_000)
  })

  test('counts exactly by the tuples written, or without tuple counters after the commit', () => {
    const exact = { ...options, rowCountStrategy: 'exact' as const }
    expect(planRegularRefresh(viewFacts(), exact)).toMatchObject({
      prepare: [{ sql: 'select count(*) as rows from "app"."Sales"', when: 'before' }],
      written: `select pg_catalog.pg_stat_get_xact_tuples_inserted(to_regclass('"app"."Sales"'))`,
      later: [],
    })
    expect(planRegularRefresh(viewFacts({ tuplesAreCounted: false }), exact)).toMatchObject({
      written: null,
      later: [{ sql: 'select count(*) as rows from "app"."Sales"', when: 'after' }],
    })
  })
})

describe('a concurrent refresh', () => {
  test('waits for its lock, because nobody waits behind it', () => {
    const plan = planConcurrentRefresh(viewFacts(), options)
    expect(cutOverOf(plan)).toEqual(['refresh materialized view concurrently "app"."Sales"'])
    expect(plan.cutOver).toMatchObject({ lockTimeoutMs: null, recordLockTimeoutMs: 0 })
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
      for (const plan of [regular, swap]) expect(plan.cutOver.statements.filter(isCount)).toEqual([])
    }
  })

  test('counts nothing before if the view cannot be read, and if no count is wanted only what costs nothing', () => {
    for (const plan of Object.values(plans('exact', false)))
      expect(plan.prepare.filter((each) => 'when' in each && each.when === 'before')).toEqual([])
    for (const plan of Object.values(plans('none'))) {
      expect([...plan.prepare, ...plan.cutOver.statements, ...plan.later].filter(isCount)).toEqual([])
    }
    const written = Object.entries(plans('none')).filter(([, plan]) => plan.written !== null)
    expect(written.map(([strategy]) => strategy)).toEqual(['regular'])
  })
})

describe('a swap', () => {
  const plan = (live = liveView()) =>
    planRebuild(alone(viewFacts().oid, { live, hash: 'abc', hashWithoutGrants: 'def' }), viewFacts(), options)

  test('of a bare view is: build, fill, analyze, exchange', () => {
    expect(statementsOf(plan())).toEqual([
      'create materialized view "app"."viewkeeper_4711" using "heap" as SELECT 1 AS id with no data',
      'refresh materialized view "app"."viewkeeper_4711"',
      'analyze "app"."viewkeeper_4711"',
      'drop materialized view "app"."Sales"',
      'alter materialized view "app"."viewkeeper_4711" rename to "Sales"',
    ])
  })

  test('compares the catalog once nobody can change it any more, before it locks readers out and changes anything', () => {
    const statements = plan().cutOver.statements
    const locked = statements.findIndex(({ sql }) => sql.includes('reset (user_catalog_table)'))
    const compared = statements.findIndex((each) => each.kind === 'check' && each.check.is === 'def')
    const changed = statements.findIndex(({ sql }) => sql.startsWith('drop'))
    const held = statements.findIndex(({ sql }) => sql.includes('reset (viewkeeper)'))
    expect(held).toBeGreaterThan(0)
    expect([held, compared, locked, changed]).toEqual(
      [held, compared, locked, changed].toSorted((a, b) => a - b),
    )
  })

  test('works as the owner, and resets the role', () => {
    const roles = [...plan().prepare, ...plan().cutOver.statements]
      .map(({ sql }) => sql)
      .filter((sql) => /^(set local|reset) role/.test(sql))
    expect(new Set(roles)).toEqual(new Set(['set local role boss', 'reset role']))
    expect(roles.at(-1)).toBe('reset role')
  })

  test("executes only code of others under the role's search path", () => {
    const theirs = [...plan().prepare, ...plan().cutOver.statements]
      .filter(({ kind }) => kind === 'userCode')
      .map(({ sql }) => sql)
    expect(theirs).toEqual([
      'refresh materialized view "app"."viewkeeper_4711"',
      'analyze "app"."viewkeeper_4711"',
    ])
  })

  test('re-points plain views, inner ones first, and only then drops the old view', () => {
    const dependent = (oid: number, name: string) => ({
      description: '',
      reader: oid,
      ruleOf: null,
      view: {
        oid,
        schema: 'app',
        name,
        owner: 'boss',
        options: ['security_barrier=true'],
        definition: ' SELECT 2',
        path: 'pg_catalog, pg_temp',
      },
    })
    const statements = cutOverOf(
      plan(liveView({ dependents: [dependent(9, 'outer'), dependent(5, 'inner')] })),
    )
    const order = statements.filter(
      (sql) => /outer|inner|Sales|_old/.test(sql) && !/reset|role|md5/.test(sql),
    )
    expect(order).toEqual([
      'alter materialized view "app"."Sales" rename to "viewkeeper_4711_old"',
      'alter materialized view "app"."viewkeeper_4711" rename to "Sales"',
      'create or replace view "app"."inner" with (security_barrier = \'true\') as SELECT 2',
      'create or replace view "app"."outer" with (security_barrier = \'true\') as SELECT 2',
      'drop materialized view "app"."viewkeeper_4711_old"',
    ])
    for (const lock of ['viewkeeper', 'user_catalog_table']) {
      const locks = statements
        .filter((sql) => sql.endsWith(`reset (${lock})`))
        .map((sql) => sql.split('"')[3])
      expect(locks).toEqual(['outer', 'inner', 'Sales'])
    }
  })
})

describe('what a swap needs', () => {
  const words = (live: LiveView) =>
    swapRequirements(live)
      .map(({ because }) => because)
      .join('\n')
  const plain = {
    oid: 1,
    schema: 'app',
    name: 'p',
    owner: 'other',
    options: [],
    definition: '',
    path: 'pg_catalog, pg_temp',
  }

  test.each([
    [liveView({ view: { memberOf: 'postgis' } }), /extension postgis/],
    [liveView({ view: { hasSecurityLabel: true } }), /security label/],
    [liveView({ view: { replicaIdentity: 'index' } }), /replica identity/],
    [
      liveView({
        dependents: [{ description: 'function f()', reader: null, ruleOf: null, view: null }],
      }),
      /function f\(\) depends on it/,
    ],
    [
      liveView({ dependents: [{ description: '', reader: 1, ruleOf: null, view: plain }] }),
      /view app\.p.*other/,
    ],
    [
      liveView({
        statistics: [
          {
            schema: 'app',
            name: 's',
            owner: 'other',
            middle: '',
            hasExpressions: false,
            target: null,
            comment: null,
          },
        ],
      }),
      /statistics app\.s belong to other/,
    ],
    [
      liveView({
        grants: [{ column: null, grantor: 'other', grantee: 'x', privilege: 'SELECT', grantable: false }],
      }),
      /other.*has granted/,
    ],
  ])('case %#', (live, expected) => {
    expect(words(live)).toMatch(expected)
    expect(words(liveView())).not.toMatch(expected)
  })
})

/** The SQL of each statement, after the role that executes it. */
function asWhom(statements: Statement[]): string[] {
  let role = ''
  return statements.flatMap(({ sql }) => {
    const taken = /^set local role (.*)|^(reset) role/.exec(sql)
    if (taken === null) return [`${role}: ${sql}`]
    role = taken[1] ?? ''
    return []
  })
}

describe('replaying grants', () => {
  const grant = (grantor: string, grantee: string, changes: Partial<Grant> = {}): Grant => ({
    column: null,
    grantor,
    grantee,
    privilege: 'SELECT',
    grantable: false,
    ...changes,
  })
  const replay = (live: Parameters<typeof liveView>[0]) =>
    asWhom(replayGrants(liveView(live), { schema: 'app', name: 'shadow' }))

  test('does nothing if nobody ever granted anything, and there are no default privileges', () => {
    expect(replay({})).toEqual([])
  })

  test('revokes what default privileges give', () => {
    expect(replay({ defaultGrants: [{ ...grant('boss', 'intern'), everywhere: true }] })).toContain(
      'boss: revoke all on "app"."shadow" from intern cascade',
    )
  })

  test('makes each grant as its grantor, after the grant that allows it, in whatever order they come', () => {
    const grants = [
      grant('b', 'c'),
      grant('a', 'b', { grantable: true }),
      grant('boss', 'a', { grantable: true }),
      grant('boss', 'boss', { grantable: true }),
      grant('boss', 'public', { column: 'Id', privilege: 'UPDATE' }),
    ]
    expect(replay({ grants, untouchedGrants: false }).filter((sql) => !sql.includes('revoke'))).toEqual([
      'boss: grant select on "app"."shadow" to a with grant option',
      'boss: grant select on "app"."shadow" to boss',
      'boss: grant update ("Id") on "app"."shadow" to public',
      'a: grant select on "app"."shadow" to b with grant option',
      'b: grant select on "app"."shadow" to c',
    ])
  })
})
