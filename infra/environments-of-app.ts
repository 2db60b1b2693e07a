import { Stack, Stage } from 'aws-cdk-lib'
import type { Construct, IConstruct } from 'constructs'
import { refuseProps } from './environment/valid-options.ts'

/** The environments of each app: the path of each by its account and its name. */
const environments = new WeakMap<IConstruct, Map<string, string>>()

/**
 * Refuses a second environment of one name in an account. CloudFormation would refuse it in the middle of a deploy: the
 * environment is part of every resource's name, and managed policies are of all regions.
 */
export function insistOnOne(scope: Construct, environmentName: string): void {
  const { root } = scope.node
  const { account } = Stack.of(scope)
  const ofApp = environments.get(root) ?? new Map<string, string>()
  const key = JSON.stringify([Stage.of(scope)?.node.path, account, environmentName])
  const other = ofApp.get(key)
  if (other !== undefined)
    refuseProps(scope.node.path, [
      `environmentName: must be another, because ${other} has the name ${environmentName}, too`,
    ])
  environments.set(root, ofApp.set(key, scope.node.path))
}
