import type { App } from 'aws-cdk-lib'
import { Key } from 'aws-cdk-lib/aws-kms'
import { HostedRotation } from 'aws-cdk-lib/aws-secretsmanager'
import { AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks } from 'cdk-nag'
import type { IConstruct } from 'constructs'
import { expect, test } from 'vitest'
import { encryptWith } from '../../docs/examples/own-key.ts'
import { eachGroup } from '../support/deep.ts'
import { created } from './support/environments.ts'
import { instanceIn, ownStack, viewkeeperOn } from './support/own-app.ts'
import { createStack, kinds } from './support/synth.ts'

const stacks = [
  ...Object.entries(kinds).map(([kind, { stack }]) => [kind, stack] as const),
  ['traced', createStack({ ...created, tracing: true })] as const,
  ['all in the network', createStack({ ...created, allFunctionsInVpc: true, api: false })] as const,
]

type Checks = AwsSolutionsChecks | HIPAASecurityChecks | NIST80053R5Checks | PCIDSS321Checks

const findingsOf = (checks: Checks, scope: IConstruct) =>
  checks
    .validateScope(scope)
    .violations.flatMap(({ ruleName, violatingResources }) =>
      violatingResources.map(({ constructPath }) => ({ rule: ruleName, at: constructPath })),
    )

test.each(stacks)('%s: cdk-nag finds nothing that is not explained', (_, stack) => {
  expect(findingsOf(new AwsSolutionsChecks(), stack)).toEqual([])
})

/** What is found in an environment on a server of the app, which may have a key and rotate the password of the role. */
function findingsIn(checks: Checks, isHardened: boolean) {
  const { stack, vpc } = ownStack()
  const viewkeeper = viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc }, { refreshOnDeploy: true })
  if (isHardened) {
    encryptWith(viewkeeper, new Key(stack, 'Key', { enableKeyRotation: true }))
    const { loginSecret, securityGroups } = viewkeeper
    loginSecret?.addRotationSchedule('Rotation', {
      hostedRotation: HostedRotation.postgreSqlSingleUser({ vpc, securityGroups }),
    })
  }
  const app = stack.node.root as App
  app.synth()
  return findingsOf(checks, viewkeeper)
}

test('nor in one with a key and a rotation', () => {
  expect(findingsIn(new AwsSolutionsChecks(), true)).toEqual([])
})

eachGroup(
  [
    ['HIPAA', new HIPAASecurityChecks(), ['SecretsManagerRotationEnabled']],
    ['NIST 800-53', new NIST80053R5Checks(), ['SecretsManagerRotationEnabled']],
    ['PCI DSS', new PCIDSS321Checks(), []],
  ],
  { quick: 1 },
)('the pack for %s', (_, checks, rotation) => {
  test('finds nothing that is not explained with a key and a rotation', () => {
    expect(findingsIn(checks, true)).toEqual([])
  })

  test('finds the logs, the topics and the secret without them', () => {
    const rules = new Set(findingsIn(checks, false).map(({ rule }) => rule.replace(/^.*-/, '')))
    expect([...rules].sort()).toEqual([
      'CloudWatchLogGroupEncrypted',
      'SNSEncryptedKMS',
      ...rotation,
      'SecretsManagerUsingKMSKey',
    ])
  })
})
