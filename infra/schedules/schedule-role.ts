import { Stack } from 'aws-cdk-lib'
import { type IRole, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IScheduleGroup } from 'aws-cdk-lib/aws-scheduler'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import type { Construct } from 'constructs'

export interface ScheduleRoleProps {
  /** Only the schedules of this group may use the role. */
  group: IScheduleGroup
  /** What the role may do with the target of the schedule, and the ARN of that target. */
  action: 'lambda:InvokeFunction' | 'states:StartExecution'
  targetArn: string
  deadLetters: IQueue
}

/**
 * The role of a schedule: it may invoke its function, or start executions of its state machine, and send undelivered events
 * to the dead-letter queue. CDK's own role could also invoke every version of the function, by a wildcard; so CDK may add
 * no statement to this role.
 */
export function scheduleRole(
  scope: Construct,
  id: string,
  { group, action, targetArn, deadLetters }: ScheduleRoleProps,
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
        statements: [allow(action, targetArn), allow('sqs:SendMessage', deadLetters.queueArn)],
      }),
    },
  })
  return role.withoutPolicyUpdates()
}
