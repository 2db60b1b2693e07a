import { describe, expect, test } from 'vitest'
import { namesBeside, withoutShadowNames } from '../../../src/sql/names.ts'

const aside = namesBeside('4711', 'app')

describe('a name that a view has while it is built', () => {
  test.each([aside.view.name, aside.old.name, aside.index(12), aside.statistics(3), aside.oldStatistics(3)])(
    'is not shown in a message: %s',
    (name) => {
      expect(withoutShadowNames(`relation "${name}" exists`, 'app."$& Sales"')).toBe(
        'relation app."$& Sales" exists',
      )
      expect(withoutShadowNames(`constraint ${name}: no`, 'app.sales')).toBe('constraint app.sales: no')
    },
  )

  test.each([
    'viewkeeper',
    'viewkeeper_views',
    'viewkeeper_4711x',
    'viewkeeper_new_idea',
    'my_viewkeeper_4711',
  ])('is not any name that looks like it: %s', (name) => {
    expect(withoutShadowNames(`role "${name}"`, 'app.sales')).toBe(`role "${name}"`)
  })
})
