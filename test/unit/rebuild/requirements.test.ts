import { expect, test } from 'vitest'
import { describeGrant } from '../../../src/catalog/plan/grants.ts'
import { swapRequirements } from '../../../src/rebuild/plan/requirements.ts'
import { liveView } from '../../support/views/facts.ts'

test('a need writes odd names in quotes', () => {
  const odd = { schema: 'Odd one', name: 'By "Day"', owner: 'eve' }
  const plain = { ...odd, oid: 1, options: [], definition: '', path: 'pg_catalog, pg_temp' }
  const live = liveView({
    statistics: [{ ...odd, middle: '', hasExpressions: false, target: null, comment: null }],
    dependents: [{ description: 'view', reader: 1, ruleOf: null, view: plain }],
  })
  const needs = swapRequirements(live)
    .map(({ because }) => because)
    .join('; ')
  expect(needs).toContain('in schema "Odd one"')
  expect(needs).toContain('view "Odd one"."By ""Day""" reads it')
  expect(needs).toContain('statistics "Odd one"."By ""Day""" belong to eve')
})

test('a grant writes an odd column in quotes', () => {
  const grant = { column: 'The Day', grantor: 'a', grantee: 'b', privilege: 'SELECT', grantable: false }
  expect(describeGrant(grant)).toBe('select ("The Day") to b')
})
