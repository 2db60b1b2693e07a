import { describe, expect, test } from 'vitest'
import { asideNames, withoutAsideNames } from '../../../../src/plan/runs/aside-names.ts'

const aside = asideNames('4711', 'app')

describe('a name that a view has while it is built', () => {
  test.each([aside.view.name, aside.old.name, aside.index(12), aside.statistics(3), aside.oldStatistics(3)])(
    'is not shown in a message: %s',
    (name) => {
      expect(withoutAsideNames(`relation "${name}" exists`, 'app."$& Sales"')).toBe(
        'relation app."$& Sales" exists',
      )
      expect(withoutAsideNames(`constraint ${name}: no`, 'app.sales')).toBe('constraint app.sales: no')
    },
  )

  test.each([
    'viewkeeper',
    'viewkeeper_views',
    'viewkeeper_4711x',
    'viewkeeper_new_idea',
    'my_viewkeeper_4711',
  ])('is not any name that looks like it: %s', (name) => {
    expect(withoutAsideNames(`role "${name}"`, 'app.sales')).toBe(`role "${name}"`)
  })
})
