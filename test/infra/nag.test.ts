import { AwsSolutionsChecks } from 'cdk-nag'
import { expect, test } from 'vitest'
import { databases, kinds } from './support/synth.ts'

const stacks = [...Object.values(kinds), ...Object.values(databases)].map(({ stack }) => stack)

test.each(stacks)('$node.id: cdk-nag finds nothing that is not explained', (stack) => {
  const checks = new AwsSolutionsChecks()
  const report = checks.validateScope(stack)
  const findings = report.violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
  )
  expect(findings).toEqual([])
})
