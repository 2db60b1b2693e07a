import { AwsSolutionsChecks } from 'cdk-nag'
import { expect, test } from 'vitest'
import { created } from './support/environments.ts'
import { createStack, databases, kinds } from './support/synth.ts'

const stacks = [
  ...[...Object.values(kinds), ...Object.values(databases)].map(
    ({ stack }) => [stack.node.id, stack] as const,
  ),
  ['private and traced', createStack({ ...created, api: 'private', tracing: true })] as const,
]

test.each(stacks)('%s: cdk-nag finds nothing that is not explained', (_, stack) => {
  const checks = new AwsSolutionsChecks()
  const report = checks.validateScope(stack)
  const findings = report.violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
  )
  expect(findings).toEqual([])
})
