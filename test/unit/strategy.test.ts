import { describe, expect, test } from 'vitest'
import { planRefresh, type RowCountStrategy } from '../../src/plan/refresh.ts'
import { chooseStrategy } from '../../src/plan/strategy.ts'
import type { ViewFacts } from '../../src/plan/view-facts.ts'

const facts = (changes: Partial<ViewFacts> = {}): ViewFacts => ({
  oid: 4711,
  schema: 'app',
  name: 'Sales',
  view: 'app."Sales"',
  populated: true,
  mayAlter: true,
  uniqueIndexes: [],
  keyCandidate: null,
  tuplesAreCounted: true,
  ...changes,
})
const usable = { uniqueIndexes: [{ name: 'sales_key', unusableBecause: null }] }
const partial = { uniqueIndexes: [{ name: 'sales_part', unusableBecause: 'is partial' }] }

describe('the strategy', () => {
  test.each([
    ['auto', {}, 'regular', /no usable unique index/],
    ['auto', partial, 'regular', /no usable unique index/],
    ['auto', usable, 'concurrent', /sales_key/],
    ['auto', { ...usable, populated: false }, 'regular', /unpopulated/],
    ['regular', usable, 'regular', /asked for/],
    ['concurrent', usable, 'concurrent', /asked for/],
    ['concurrent', { ...usable, populated: false }, 'regular', /unpopulated/],
    ['concurrent', { populated: false }, 'regular', /unpopulated/],
  ] as const)('asked %s, with %j: %s', (asked, changes, strategy, because) => {
    expect(chooseStrategy(asked, facts(changes as Partial<ViewFacts>))).toEqual({
      strategy,
      because: expect.stringMatching(because),
    })
  })

  test('concurrent without a usable unique index is refused with the command that makes one', () => {
    expect(() => chooseStrategy('concurrent', facts({ ...partial, keyCandidate: '"Id"' }))).toThrow(
      expect.objectContaining({
        code: 'UniqueIndexRequired',
        message: expect.stringMatching(
          /sales_part is partial.*create unique index concurrently on app\."Sales" \("Id"\);/,
        ),
      }),
    )
  })
})

describe('the plan', () => {
  const plan = (strategy: 'regular' | 'concurrent', rowCountStrategy: RowCountStrategy, changes = {}) =>
    planRefresh(
      facts(changes),
      { strategy, because: '' },
      { rowCountStrategy, timeoutSeconds: 100, ifRunning: 'skip' },
    )
  const statements = (...args: Parameters<typeof plan>) => plan(...args).cutOver.steps.map(({ sql }) => sql)

  test('a regular refresh takes the lock that ends an autovacuum, then briefly the exclusive one, then works unhurried', () => {
    expect(statements('regular', 'none')).toEqual([
      'alter materialized view "app"."Sales" reset (viewkeeper)',
      "select set_config('lock_timeout', '100', true)",
      'alter materialized view "app"."Sales" reset (user_catalog_table)',
      "select set_config('lock_timeout', '0', true)",
      'refresh materialized view "app"."Sales"',
    ])
    expect(plan('regular', 'none').cutOver).toMatchObject({ lockTimeoutMs: 5000, patientLockTimeoutMs: 0 })
  })

  test('who may only refresh does not alter, and is patient now and then', () => {
    expect(statements('regular', 'none', { mayAlter: false })).toEqual([
      'refresh materialized view "app"."Sales"',
    ])
    expect(plan('regular', 'none', { mayAlter: false }).cutOver).toMatchObject({
      lockTimeoutMs: 100,
      patientLockTimeoutMs: 1500,
    })
  })

  test('a concurrent refresh waits for its lock, because nobody waits behind it', () => {
    expect(statements('concurrent', 'none')).toEqual(['refresh materialized view concurrently "app"."Sales"'])
    expect(plan('concurrent', 'none').cutOver.lockTimeoutMs).toBe(0)
  })

  test('the hunt for the lock ends before the run does', () => {
    expect(plan('regular', 'none').cutOver.giveUpAfterMs).toBe(80_000)
  })

  test.each(['regular', 'concurrent'] as const)(
    '%s counts nothing while readers are locked out',
    (strategy) => {
      expect(plan(strategy, 'none')).toMatchObject({
        countBefore: null,
        written: null,
        countAfter: null,
        aside: [],
      })
      const exact = plan(strategy, 'exact')
      expect(exact.countBefore).toBe('select count(*) from "app"."Sales"')
      if (strategy === 'regular') {
        expect(exact).toMatchObject({ countAfter: null, written: expect.stringContaining('tuples_inserted') })
      } else expect(exact).toMatchObject({ written: null, countAfter: 'select count(*) from "app"."Sales"' })
      expect(plan(strategy, 'estimated').aside).toEqual([
        { phase: 'analyzing', sql: 'analyze "app"."Sales"' },
      ])
    },
  )

  test('an unpopulated view is not counted before: that would fail', () => {
    expect(plan('regular', 'exact', { populated: false }).countBefore).toBeNull()
  })

  test('without tuple counters the rows are counted after the commit', () => {
    expect(plan('regular', 'exact', { tuplesAreCounted: false })).toMatchObject({
      written: null,
      countAside: 'select count(*) from "app"."Sales"',
    })
  })
})
