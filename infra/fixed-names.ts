import { type IResource, Stack, Stage, Token } from 'aws-cdk-lib'
import type { Construct, IConstruct } from 'constructs'
import { refuseProps } from './props.ts'

/** The environments of each app: the path of each by its account, its region and its names. */
const environments = new WeakMap<IConstruct, Map<string, string>>()

/**
 * Refuses a second environment of one name in an account and region. CloudFormation would refuse it in the middle of a deploy: the
 * environment is part of the names of resources.
 */
export function insistOnOne(
  scope: Construct,
  names: { environmentName: string; physicalName: string },
): void {
  const { root } = scope.node
  const { account, region } = Stack.of(scope)
  const ofApp = environments.get(root) ?? new Map<string, string>()
  for (const [prop, name] of Object.entries(names)) {
    const key = JSON.stringify([Stage.of(scope)?.node.path, account, region, prop, name])
    const other = ofApp.get(key)
    if (other !== undefined)
      refuseProps(scope.node.path, [`${prop}: must be another, because ${other} has the name ${name}, too`])
    ofApp.set(key, scope.node.path)
  }
  environments.set(root, ofApp)
}

const topics = ['mail', 'notices', 'pager']

/** What another account may share: subnets of its network, and topics, whose policies say who publishes. */
const shared = ['vpc', ...topics]

/**
 * Refuses what is in another account or region, as far as the app knows. A lookup across them would be synthesized, and its deploy
 * would fail half-way; an alarm reaches no topic of another region.
 */
export function insistOnHere(scope: Construct, given: Record<string, unknown>): void {
  const { account, region } = Stack.of(scope)
  const elsewhere = (there: string, here: string) =>
    !Token.isUnresolved(there) && !Token.isUnresolved(here) && there !== here
  const problems = Object.entries(given).flatMap(([name, value]) => {
    const { env } = (value ?? {}) as Partial<IResource>
    if (env === undefined) return []
    const isHere =
      (shared.includes(name) || !elsewhere(env.account, account)) && !elsewhere(env.region, region)
    return isHere
      ? []
      : [
          `${name}: is in ${env.account}/${env.region}, and the environment in ${account}/${region}; ${
            topics.includes(name)
              ? 'alarms reach topics of their own region alone: leave it out, and subscribe yours to topics.mail of the construct'
              : 'both have to be in one'
          }`,
        ]
  })
  if (problems.length > 0) refuseProps(scope.node.path, problems)
}
