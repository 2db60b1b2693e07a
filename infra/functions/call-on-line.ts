import { Stack } from 'aws-cdk-lib'
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { FilterPattern, SubscriptionFilter } from 'aws-cdk-lib/aws-logs'
import { LambdaDestination } from 'aws-cdk-lib/aws-logs-destinations'
import type { Construct } from 'constructs'
import type { FunctionName } from '../../src/api/functions.ts'
import type { ViewkeeperFunction } from './viewkeeper-function.ts'

export interface CallOnLineProps {
  environmentName: string
  functions: Record<FunctionName, ViewkeeperFunction>
  /** The messages of the lines, by the function that logs them. */
  lines: Partial<Record<FunctionName, readonly string[]>>
  /** The function that CloudWatch Logs calls for such a line. */
  calls: FunctionName
}

/**
 * Has CloudWatch Logs call a function outside the network of the database when a function inside logs a line. A log group has one
 * filter, however many messages: AWS allows two, and the other one is the user's.
 */
export function callOnLine(
  scope: Construct,
  { environmentName, functions, lines, calls }: CallOnLineProps,
): void {
  const { lambda } = functions[calls]
  const { partition, region, account } = Stack.of(scope)
  lambda.addPermission('LogLine', {
    principal: new ServicePrincipal('logs.amazonaws.com'),
    sourceArn: `arn:${partition}:logs:${region}:${account}:log-group:/viewkeeper/${environmentName}/*`,
    sourceAccount: account,
  })
  const permission = lambda.node.findChild('LogLine')
  for (const [name, messages] of Object.entries(lines)) {
    const filter = new SubscriptionFilter(scope, name, {
      logGroup: functions[name as FunctionName].logGroup,
      destination: new LambdaDestination(lambda, { addPermissions: false }),
      filterPattern: FilterPattern.literal(
        `{ ${messages.map((message) => `$.message = "${message}"`).join(' || ')} }`,
      ),
    })
    // CloudWatch Logs tries the call when the filter is made.
    filter.node.addDependency(permission)
  }
}
