import { type CfnResource, type CustomResourceProviderBase, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { Construct } from 'constructs'

/** CDK's name of the function that calls the handlers of all triggers of a stack. */
const provider = 'AWSCDK.TriggerCustomResourceProviderCustomResourceProvider'

export interface TriggerLogsProps {
  environmentName: string
  logRetentionDays: RetentionDays
}

/**
 * Gives the function of CDK's triggers a log group that expires and goes with the stack. By default Lambda
 * makes one that stays forever (https://github.com/aws/aws-cdk/issues/26553). The function's role loses the
 * right to make log groups, or a last line would make the group again after the stack has deleted it. The
 * stack must have a trigger. All triggers of a stack share the function: the first environment in a stack names the group.
 */
export function addTriggerLogs(scope: Construct, props: TriggerLogsProps): void {
  const caller = Stack.of(scope).node.findChild(provider) as CustomResourceProviderBase
  if (caller.node.tryFindChild('Logs')) return
  const logGroup = new LogGroup(caller, 'Logs', {
    logGroupName: `/viewkeeper/${props.environmentName}/migrate-on-deploy`,
    retention: props.logRetentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
  })
  const part = (name: string) => caller.node.findChild(name) as CfnResource
  part('Handler').addPropertyOverride('LoggingConfig', { LogGroup: logGroup.logGroupName })
  part('Role').addPropertyDeletionOverride('ManagedPolicyArns')
  caller.addToRolePolicy({
    Effect: 'Allow',
    Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    Resource: logGroup.logGroupArn,
  })
}
