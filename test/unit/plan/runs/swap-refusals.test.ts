import { expect, test } from 'vitest'
import { swapRefusals } from '../../../../src/plan/runs/swap-refusals.ts'
import { describeGrant } from '../../../../src/plan/views/grants.ts'
import { liveView, swapRights } from '../../../support/views/facts.ts'

test('a refusal writes odd names in quotes', () => {
  const odd = { schema: 'Odd one', name: 'By "Day"', owner: 'eve' }
  const plain = { ...odd, oid: 1, options: [], definition: '' }
  const live = liveView({
    statistics: [{ ...odd, middle: '', hasExpressions: false, target: null, comment: null }],
    dependents: [{ description: 'view', reader: 1, ruleOf: null, view: plain, again: null }],
  })
  const lacks = [{ role: 'boss', privilege: 'create' as const, schema: 'Odd one' }]
  const refusals = swapRefusals(live, swapRights({ lacks }))
    .map(({ because }) => because)
    .join('; ')
  expect(refusals).toContain('in schema "Odd one"')
  expect(refusals).toContain('view "Odd one"."By ""Day""" reads it')
  expect(refusals).toContain('statistics "Odd one"."By ""Day""" belong to eve')
})

test('a grant writes an odd column in quotes', () => {
  const grant = { column: 'The Day', grantor: 'a', grantee: 'b', privilege: 'SELECT', grantable: false }
  expect(describeGrant(grant)).toBe('select ("The Day") to b')
})
