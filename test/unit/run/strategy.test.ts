import { describe, expect, test } from 'vitest'
import type { ViewFacts } from '../../../src/catalog/plan/live-view.ts'
import { obstacle } from '../../../src/catalog/plan/rights.ts'
import { concurrent } from '../../../src/run/plan/in-place.ts'
import { chooseStrategy, needsSnapshot, shortMs, swapImpossible } from '../../../src/run/plan/strategy.ts'
import { readSettings } from '../../../src/sql/settings.ts'
import { viewFacts } from '../../support/views/facts.ts'

const usable = { uniqueIndexes: [{ name: 'sales_key', columns: 'id', unusableBecause: null }] }
const partial = { uniqueIndexes: [{ name: 'sales_part', columns: 'id', unusableBecause: 'is partial' }] }
const blocked = ['materialized view app.top depends on it']

describe('the strategy', () => {
  test.each([
    ['auto', {}, [], 'swap', /rebuilt aside/],
    ['auto', usable, [], 'swap', /rebuilt aside/],
    ['auto', usable, blocked, 'concurrent', /sales_key.*app\.top/],
    ['auto', partial, blocked, 'regular', /no usable unique index.*app\.top/],
    ['auto', { ...usable, populated: false }, [], 'regular', /^the view is unpopulated/],
    ['regular', usable, [], 'regular', /^requested$/],
    ['concurrent', usable, [], 'concurrent', /^requested$/],
    [
      'concurrent',
      { ...usable, populated: false },
      [],
      'regular',
      /^not concurrent, as requested: .* unpopulated/,
    ],
    ['concurrent', { populated: false }, [], 'regular', /^not concurrent, as requested: .* unpopulated/],
    ['swap', {}, [], 'swap', /^requested$/],
    ['swap', { populated: false }, blocked, 'regular', /^not swap, as requested: .* unpopulated/],
  ] as const)(
    'for request %s, with %j and %j in the way of a swap: %s',
    (requested, changes, refusals, strategy, because) => {
      expect(
        chooseStrategy(requested, viewFacts(changes as Partial<ViewFacts>), refusals.map(obstacle)),
      ).toEqual({
        strategy,
        because: expect.stringMatching(because),
      })
    },
  )

  test.each([
    [{ wasRegular: true, regularMs: 4, exchangeMs: null, fillMs: null }, 4],
    [{ wasRegular: true, regularMs: 11, exchangeMs: null, fillMs: 1 }, null],
    [{ wasRegular: true, regularMs: 11, exchangeMs: 12, fillMs: 1 }, 11],
    [{ wasRegular: true, regularMs: 9, exchangeMs: 2, fillMs: 1 }, 9],
    // Once a swap was chosen, half the limit turns the choice back.
    [{ wasRegular: false, regularMs: 9, exchangeMs: 2, fillMs: 1 }, null],
    [{ wasRegular: false, regularMs: 5, exchangeMs: 2, fillMs: 9 }, 5],
    [{ wasRegular: false, regularMs: null, exchangeMs: 2, fillMs: 5 }, 5],
    [{ wasRegular: false, regularMs: null, exchangeMs: 2, fillMs: 6 }, null],
    [{ wasRegular: false, regularMs: null, exchangeMs: 14, fillMs: 13 }, 13],
    [{ wasRegular: false, regularMs: null, exchangeMs: 14, fillMs: 15 }, null],
    [{ wasRegular: false, regularMs: null, exchangeMs: 14, fillMs: null }, null],
  ])('knows after refreshes of %j that a regular one locks readers out for about %s ms', (durations, ms) => {
    const usual = { ...durations, groupMs: null, concurrentMs: null }
    expect(shortMs({ ...usual, upToMs: 10 })).toBe(ms)
    expect(shortMs({ ...usual, upToMs: 0 })).toBeNull()
  })

  test('is regular for a view whose regular refreshes are so short that a swap does not pay', () => {
    expect(chooseStrategy('auto', viewFacts(usable), [], null, 3.2)).toEqual({
      strategy: 'regular',
      because: expect.stringMatching(/locks readers out for about 4 ms/),
    })
    expect(chooseStrategy('swap', viewFacts(), [], null, 3.2).strategy).toBe('swap')
  })

  test('concurrent without a usable unique index is refused with the command that makes one', () => {
    const view = viewFacts({ ...partial, keyCandidate: '"Id"' })
    expect(chooseStrategy('concurrent', view, []).strategy).toBe('concurrent')
    expect(concurrent.plan(view, { timeoutSeconds: 100, ifRunning: 'skip', settings: {} })).toEqual(
      expect.objectContaining({
        code: 'UniqueIndexRequired',
        message: expect.stringMatching(
          /sales_part is partial.*create unique index concurrently on app\."Sales" \("Id"\);/,
        ),
      }),
    )
  })

  test('swap is refused if a swap is impossible, naming all that is in the way', () => {
    const obstacles = ['one thing', 'another'].map(obstacle)
    expect(chooseStrategy('swap', viewFacts(), obstacles).strategy).toBe('swap')
    expect(swapImpossible(viewFacts(), obstacles)).toEqual(
      expect.objectContaining({
        code: 'SwapImpossible',
        message: expect.stringContaining('one thing; another'),
      }),
    )
  })

  test('needs to know what stands in the way of a swap only if a swap is possible', () => {
    const needing = (['auto', 'swap', 'regular', 'concurrent'] as const).filter((requested) =>
      needsSnapshot(requested, viewFacts()),
    )
    expect(needing).toEqual(['auto', 'swap'])
    expect(needsSnapshot('auto', viewFacts({ populated: false }))).toBe(false)
  })
})

describe('the settings of a definition', () => {
  test('are read as the server takes them', () => {
    expect(readSettings('v', { work_mem: '1GB', max_parallel_workers_per_gather: 0 })).toEqual({
      work_mem: '1GB',
      max_parallel_workers_per_gather: '0',
    })
  })

  test('have a search path that only the SQL of the view sees', () => {
    expect(readSettings('v', { jit: 'off', search_path: 'kinds, public' })).toEqual({
      jit: 'off',
      'viewkeeper.role_path': 'kinds, public',
    })
  })

  test.each([
    'viewkeeper.role_path',
    'role',
    'session_replication_role',
    'statement_timeout',
    'transaction_timeout',
    'work_mem; drop',
  ])('may not be %s', (name) => {
    expect(() => readSettings('app.sales', { work_mem: '1MB', [name]: 'x' })).toThrow(
      expect.objectContaining({ code: 'InvalidRequest', message: expect.stringContaining(name) }),
    )
  })
})
