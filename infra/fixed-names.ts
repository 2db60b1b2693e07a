import { CfnResource } from 'aws-cdk-lib'
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
 * and fails because their names are taken.
 */
export function pinNames(construct: Construct): void {
  for (const each of construct.node.findAll()) {
    if (!CfnResource.isCfnResource(each)) continue
    const field = named[each.cfnResourceType]
    const name = field === undefined ? undefined : (each as unknown as Record<string, unknown>)[field]
    if (typeof name === 'string') each.overrideLogicalId(logicalId(each.cfnResourceType, name))
  }
}

/** `AWS::Logs::LogGroup` and `/viewkeeper/test/start-batch` are `LogGroupViewkeeperTestStartBatch`. */
const logicalId = (type: string, name: string): string =>
  [type.split('::').at(-1), ...name.split(/[^A-Za-z0-9]+/)]
    .map((word = '') => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('')
