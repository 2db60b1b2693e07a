import { describe, expect, test } from 'vitest'
import type { ViewFacts } from '../../../src/catalog/plan/live-view.ts'
import { obstacle } from '../../../src/catalog/plan/rights.ts'
import { chooseStrategy, needsSnapshot, shortMs } from '../../../src/run/plan/strategy.ts'
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
    [{ regularMs: 4, exchangeMs: null, fillMs: null }, 4],
    [{ regularMs: 11, exchangeMs: null, fillMs: 1 }, null],
    [{ regularMs: 11, exchangeMs: 12, fillMs: 1 }, 11],
    [{ regularMs: 9, exchangeMs: 2, fillMs: 1 }, 9],
    [{ regularMs: null, exchangeMs: 2, fillMs: 8 }, 8],
    [{ regularMs: null, exchangeMs: 14, fillMs: 13 }, 13],
    [{ regularMs: null, exchangeMs: 14, fillMs: 15 }, null],
    [{ regularMs: null, exchangeMs: 14, fillMs: null }, null],
  ])('knows after refreshes of %j that a regular one locks readers out for about %s ms', (durations, ms) => {
    expect(shortMs({ ...durations, upToMs: 10 })).toBe(ms)
    expect(shortMs({ ...durations, upToMs: 0 })).toBeNull()
  })

  test('is regular for a view whose regular refreshes are so short that a swap does not pay, unless replicas are read', () => {
    const ofShort = (...rest: [withoutKey?: 'swap']) =>
      chooseStrategy('auto', viewFacts(usable), [], null, rest[0] ?? null, 3.2)
    expect(ofShort()).toEqual({
      strategy: 'regular',
      because: expect.stringMatching(/locks readers out for about 4 ms/),
    })
    expect(ofShort('swap').strategy).toBe('concurrent')
    expect(chooseStrategy('swap', viewFacts(), [], null, null, 3.2).strategy).toBe('swap')
  })

  describe('of a view that is read on replicas', () => {
    const choose = (
      requested: Parameters<typeof chooseStrategy>[0],
      changes: Partial<ViewFacts>,
      ...rest: [refusals?: string[], withoutKey?: 'swap' | 'fail']
    ) => chooseStrategy(requested, viewFacts(changes), (rest[0] ?? []).map(obstacle), null, rest[1] ?? 'swap')

    test.each([
      ['auto', usable, 'concurrent', /^the view is read on replicas, .* there is unique index sales_key$/],
      ['auto', {}, 'swap', /rebuilt aside.*read on replicas: there, .* usable unique index would let/],
      ['auto', { ...usable, populated: false }, 'regular', /^the view is unpopulated/],
      ['swap', usable, 'swap', /^requested; the view is read on replicas: there, new readers .* wait/],
      ['regular', usable, 'regular', /^requested; the view is read on replicas: there, new readers .* wait/],
      ['concurrent', usable, 'concurrent', /^requested$/],
    ] as const)('for request %s, with %j: %s', (requested, changes, strategy, because) => {
      expect(choose(requested, changes)).toEqual({ strategy, because: expect.stringMatching(because) })
    })

    test('without a key is refused if the environment says so, with the key that is missing', () => {
      expect(() => choose('auto', partial, [], 'fail')).toThrow(
        expect.objectContaining({
          code: 'UniqueIndexRequired',
          message: expect.stringMatching(
            /is read on replicas, and withoutKey is "fail".*sales_part is partial.*create unique index/,
          ),
        }),
      )
      expect(choose('swap', partial, [], 'fail').strategy).toBe('swap')
    })

    test('is concurrent also if only a view that a swap would rebuild along is read there', () => {
      const group = {
        others: ['app.top'],
        onReplicas: ['app.top'],
        groupMs: null,
        concurrentMs: null,
        groupBytes: 1,
        ownBytes: 1,
      }
      expect(chooseStrategy('auto', viewFacts(usable), [], group)).toEqual({
        strategy: 'concurrent',
        because: expect.stringMatching(/^app\.top, which a swap would rebuild, too, is read on replicas/),
      })
      expect(chooseStrategy('auto', viewFacts(usable), [], { ...group, onReplicas: [] }).strategy).toBe(
        'swap',
      )
    })
  })

  test('concurrent without a usable unique index is refused with the command that makes one', () => {
    expect(() => chooseStrategy('concurrent', viewFacts({ ...partial, keyCandidate: '"Id"' }), [])).toThrow(
      expect.objectContaining({
        code: 'UniqueIndexRequired',
        message: expect.stringMatching(
          /sales_part is partial.*create unique index concurrently on app\."Sales" \("Id"\);/,
        ),
      }),
    )
  })

  test('swap is refused if a swap is impossible, naming all that is in the way', () => {
    expect(() => chooseStrategy('swap', viewFacts(), ['one thing', 'another'].map(obstacle))).toThrow(
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
    expect(needsSnapshot('auto', viewFacts(usable), 'swap')).toBe(false)
    expect(needsSnapshot('auto', viewFacts(), 'swap')).toBe(true)
    expect(needsSnapshot('auto', viewFacts(), 'fail')).toBe(false)
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
