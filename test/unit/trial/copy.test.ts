import { describe, expect, test } from 'vitest'
import type { AsideView } from '../../../src/set-aside/plan/items.ts'
import { lost } from '../../../src/trial/plan/copy.ts'
import { liveView } from '../../support/views/facts.ts'

const view = (more: Parameters<typeof liveView>[0] = {}): AsideView => ({
  live: liveView(more),
  populated: true,
  sizeBytes: 0,
  reads: [],
})

describe('what was lost', () => {
  test('is nothing if only the text of the query differs', () => {
    const before = view()
    const after = {
      ...before,
      live: { ...before.live, view: { ...before.live.view, definition: 'select 2' } },
    }
    expect(lost(before, after, { exactly: true })).toEqual([])
  })

  test('is named by its part', () => {
    const before = view({
      triggers: [{ name: 't', definition: 'create trigger t', enabled: 'O', comment: null }],
    })
    const [first] = lost(before, view(), { exactly: true })
    expect(first).toMatch(/^the triggers of materialized view .* are not as before$/)
    expect(lost(before, undefined, { exactly: true })[0]).toMatch(/ is not there$/)
    const grants = [{ column: null, grantor: 'o', grantee: 'r', privilege: 'SELECT', grantable: false }]
    expect(lost(view({ grants }), view(), { exactly: true })[0]).toMatch(/^the grants of /)
  })

  test('does not include the type of a column if a table has changed', () => {
    const column = {
      name: 'a',
      type: 'integer',
      statistics: null,
      options: [],
      storage: null,
      compression: null,
      default: null,
      comment: null,
    }
    const [before, after] = [view({ columns: [column] }), view({ columns: [{ ...column, type: 'bigint' }] })]
    expect(lost(before, after, { exactly: true })).toHaveLength(1)
    expect(lost(before, after, { exactly: false })).toEqual([])
    expect(lost(before, view({ columns: [] }), { exactly: false })).toHaveLength(1)
  })

  test('is what a view means', () => {
    const meaning = (trees: string) => ({ ...view(), meaning: { trees, uses: [], state: '' } })
    const said = ['the query and expressions of materialized view app."Sales" are not as before']
    expect(lost(meaning('A'), meaning('B'), { exactly: true })).toEqual(said)
    expect(lost(meaning('A'), meaning('B'), { exactly: false, alike: true })).toEqual(said)
    expect(lost(meaning('A'), meaning('B'), { exactly: false })).toEqual([])
  })
})
