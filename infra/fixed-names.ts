import { createHash } from 'node:crypto'
import { Aspects, CfnResource, Stack } from 'aws-cdk-lib'
import { CfnRotationSchedule, CfnSecret } from 'aws-cdk-lib/aws-secretsmanager'
import { CfnSubscription, CfnTopicPolicy } from 'aws-cdk-lib/aws-sns'
import { CfnQueuePolicy } from 'aws-cdk-lib/aws-sqs'
import type { Construct } from 'constructs'

/** The resources that have the same name in every deploy, by their types, and the property of CDK that has the name. */
const named: Record<string, string> = {
  'AWS::CloudWatch::Alarm': 'alarmName',
  'AWS::CloudWatch::Dashboard': 'dashboardName',
  'AWS::IAM::ManagedPolicy': 'managedPolicyName',
  'AWS::Logs::LogGroup': 'logGroupName',
  'AWS::Logs::QueryDefinition': 'name',
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
    if (each instanceof CfnRotationSchedule) pin(each, each.secretId)
  }
  // Also those that the app adds to a topic later on.
  Aspects.of(construct).add({
    visit(each) {
      if (each instanceof CfnSubscription) pin(each, [each.topicArn, each.protocol, each.endpoint])
    },
  })
}

function nameOf(resource: CfnResource): string | undefined {
  const field = named[resource.cfnResourceType]
  const name = field === undefined ? undefined : (resource as unknown as Record<string, unknown>)[field]
  return typeof name === 'string' ? name : undefined
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
