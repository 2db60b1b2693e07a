import { type IResource, Stack, Stage, Token } from 'aws-cdk-lib'
import type { Construct, IConstruct } from 'constructs'
import { refuseProps } from './props.ts'

/**
 * Refuses a construct with an id that somebody may want to change, its own or that of what wraps it. CDK makes logical ids of the
 * constructs' ids; so under other ones everything would be new for CloudFormation, which makes the new resources before it removes the old
 * ones, and fails: alarms, topics, logs and policies have fixed names, which are taken.
 */
export function insistOnId(construct: Construct, environmentName: string): void {
  const inStack = construct.node.scopes.slice(Stack.of(construct).node.scopes.length)
  const changing = inStack
    .map(({ node }) => node.id)
    .filter((id) => id !== 'Viewkeeper' && id !== environmentName)
  if (changing.length > 0)
    refuseProps(construct.node.path, [
      `the id must be Viewkeeper or ${environmentName}, and so must that of what wraps it, and not ${changing.join(', ')}: under another id a ` +
        'later deploy would fail, because its names are taken',
    ])
}

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
