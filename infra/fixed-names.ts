import { createHash } from 'node:crypto'
import {
  Aspects,
  CfnResource,
  type IResource,
  Reference,
  Stack,
  Stage,
  Token,
  Tokenization,
} from 'aws-cdk-lib'
import { CfnSubscriptionFilter } from 'aws-cdk-lib/aws-logs'
import { CfnRotationSchedule, CfnSecret } from 'aws-cdk-lib/aws-secretsmanager'
import { CfnSubscription, CfnTopic, CfnTopicPolicy } from 'aws-cdk-lib/aws-sns'
import { CfnQueuePolicy } from 'aws-cdk-lib/aws-sqs'
import type { Construct, IConstruct } from 'constructs'
import { refuseProps } from './options.ts'

/** The resources that have the same name in every deploy, by their types, and the property of CDK that has the name. */
const named: Record<string, string> = {
  'AWS::CloudWatch::Alarm': 'alarmName',
  'AWS::CloudWatch::Dashboard': 'dashboardName',
  'AWS::IAM::ManagedPolicy': 'managedPolicyName',
  'AWS::Logs::LogGroup': 'logGroupName',
  'AWS::RDS::DBInstance': 'dbInstanceIdentifier',
  'AWS::SNS::Topic': 'topicName',
  'AWS::SQS::Queue': 'queueName',
  'AWS::SSM::Parameter': 'name',
  'AWS::Scheduler::Schedule': 'name',
  'AWS::Scheduler::ScheduleGroup': 'name',
}

/**
 * Makes the logical id of each resource with a fixed name of that name. CDK makes logical ids of the constructs' ids; so a
 * construct that gets another id would be new resources for CloudFormation, which makes these before it removes the old ones,
 * and fails because their names are taken. Settings of a resource that stays have fixed logical ids, too: CloudFormation would
 * set them again under a new id, and then remove them under the old one.
 */
export function pinNames(construct: Construct, environmentName: string): void {
  const resources = construct.node.findAll().filter(CfnResource.isCfnResource)
  for (const each of resources) {
    const name = each instanceof CfnSecret ? `viewkeeper-${environmentName}-role` : nameOf(each)
    if (name !== undefined) pin(each, name)
  }
  for (const each of resources) {
    if (each instanceof CfnTopicPolicy) pin(each, each.topics)
    if (each instanceof CfnQueuePolicy) pin(each, each.queues)
    // One for each log group: under another id it would be made before the old one goes, and AWS allows two.
    if (each instanceof CfnSubscriptionFilter) pin(each, each.logGroupName)
    if (each instanceof CfnRotationSchedule) pin(each, each.secretId)
  }
  const topics = resources.filter((each) => each instanceof CfnTopic)
  pinSubscriptions(construct.node.root, topics)
}

/** The topics of each app whose subscriptions are pinned. */
const pinned = new WeakMap<IConstruct, Set<CfnTopic>>()

/** Also those that the app adds later on, beside a function or a queue of its own: CDK names them by the path of the topic. */
function pinSubscriptions(root: IConstruct, topics: CfnTopic[]): void {
  const before = pinned.get(root)
  const all = before ?? new Set()
  for (const topic of topics) all.add(topic)
  if (before) return
  pinned.set(root, all)
  Aspects.of(root).add({
    visit(each) {
      if (!(each instanceof CfnSubscription)) return
      const topic = Tokenization.reverseString(each.topicArn).firstToken
      if (Reference.isReference(topic) && all.has(topic.target as CfnTopic))
        pin(each, [each.topicArn, each.protocol, each.endpoint])
    },
  })
}

function nameOf(resource: CfnResource): string | undefined {
  const field = named[resource.cfnResourceType]
  const name = field === undefined ? undefined : (resource as unknown as Record<string, unknown>)[field]
  return typeof name === 'string' && !Token.isUnresolved(name) ? name : undefined
}

/**
 * `AWS::Logs::LogGroup` and `/viewkeeper/test/start-batch` are `LogGroupViewkeeperTestStartBatch` and a hash: `a-1` and `a1` are
 * two environments.
 */
function pin(resource: CfnResource, by: unknown): void {
  const type = resource.cfnResourceType.split('::').at(-1) as string
  const key = JSON.stringify(Stack.of(resource).resolve(by))
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 8).toUpperCase()
  const words = typeof by === 'string' && !key.startsWith('{') ? by.split(/[^A-Za-z0-9]+/) : []
  const legible = words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('')
  resource.overrideLogicalId(`${type}${legible}${hash}`)
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

/**
 * Refuses what is in another account or region, as far as the app knows. A lookup across them would be synthesized, and its deploy
 * would fail half-way.
 */
export function insistOnHere(scope: Construct, given: Record<string, unknown>): void {
  const { account, region } = Stack.of(scope)
  const elsewhere = (there: string, here: string) =>
    !Token.isUnresolved(there) && !Token.isUnresolved(here) && there !== here
  const problems = Object.entries(given).flatMap(([name, value]) => {
    const { env } = (value ?? {}) as Partial<IResource>
    if (env === undefined || !(elsewhere(env.account, account) || elsewhere(env.region, region))) return []
    return [
      `${name}: is in ${env.account}/${env.region}, and the environment in ${account}/${region}; both have to be in one`,
    ]
  })
  if (problems.length > 0) refuseProps(scope.node.path, problems)
}
