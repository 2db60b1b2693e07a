import { describe, expect, test } from 'vitest'
import { chooseStrategy, needsSnapshot } from '../../../../src/plan/runs/strategy.ts'
import { readSettings } from '../../../../src/plan/settings.ts'
import type { ViewFacts } from '../../../../src/plan/views/view-facts.ts'
import { viewFacts } from '../../../support/views/facts.ts'

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
      expect(chooseStrategy(requested, viewFacts(changes as Partial<ViewFacts>), [...refusals])).toEqual({
        strategy,
        because: expect.stringMatching(because),
      })
    },
  )

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
    expect(() => chooseStrategy('swap', viewFacts(), ['one thing', 'another'])).toThrow(
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

  test.each([
    'search_path',
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
