import { AwsSolutionsChecks } from 'cdk-nag'
import { expect, test } from 'vitest'
import { kinds } from './support/synth.ts'

test.each(Object.entries(kinds))('%s: cdk-nag finds nothing that is not explained', (_, { stack }) => {
  const checks = new AwsSolutionsChecks()
  const report = checks.validateScope(stack)
  const findings = report.violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
  )
  expect(findings).toEqual([])
})
