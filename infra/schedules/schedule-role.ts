import { Stack } from 'aws-cdk-lib'
import { type IRole, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import type { IScheduleGroup } from 'aws-cdk-lib/aws-scheduler'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import type { Construct } from 'constructs'

export interface ScheduleRoleProps {
  /** The only schedules that may use the role. */
  group: IScheduleGroup
  target: IFunction
  deadLetters: IQueue
}

/**
 * What a schedule needs: to call its function, and to write what it could not deliver. CDK's own role may call every
 * version of the function too, by a wildcard; this one takes no further statements.
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
