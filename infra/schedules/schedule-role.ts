import { Stack } from 'aws-cdk-lib'
import { type IRole, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import type { IScheduleGroup } from 'aws-cdk-lib/aws-scheduler'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import type { Construct } from 'constructs'

export interface ScheduleRoleProps {
  /** Only the schedules of this group may use the role. */
  group: IScheduleGroup
  target: IFunction
  deadLetters: IQueue
}

/**
 * The role of a schedule: it may invoke its function, and send undelivered events to the dead-letter queue.
 * CDK's own role could also invoke every version of the function, by a wildcard; so CDK may add no statement
 * to this role.
 */
export function scheduleRole(
  scope: Construct,
  id: string,
  { group, target, deadLetters }: ScheduleRoleProps,
): IRole {
  const allow = (action: string, resource: string) =>
    new PolicyStatement({ actions: [action], resources: [resource] })
  const role = new Role(scope, id, {
    assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
      conditions: {
        StringEquals: {
          'aws:SourceAccount': Stack.of(scope).account,
          'aws:SourceArn': group.scheduleGroupArn,
        },
      },
    }),
    inlinePolicies: {
      deliver: new PolicyDocument({
        statements: [
          allow('lambda:InvokeFunction', target.functionArn),
          allow('sqs:SendMessage', deadLetters.queueArn),
        ],
      }),
    },
  })
  return role.withoutPolicyUpdates()
}
