import { AwsSolutionsChecks } from 'cdk-nag'
import { expect, test } from 'vitest'
import { created } from './support/environments.ts'
import { createStack, kinds, type Synthesized } from './support/synth.ts'

const others: [string, Pick<Synthesized, 'stack'>][] = [
  ['private and traced', { stack: createStack({ ...created, api: 'private', tracing: true }) }],
]

test.each([...Object.entries(kinds), ...others])(
  '%s: cdk-nag finds nothing that is not explained',
  (_, { stack }) => {
    const checks = new AwsSolutionsChecks()
    const report = checks.validateScope(stack)
    const findings = report.violations.flatMap(({ ruleName, violatingResources }) =>
      violatingResources.map(({ constructPath }) => `${ruleName} at ${constructPath}`),
    )
    expect(findings).toEqual([])
  },
)
