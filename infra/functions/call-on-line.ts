import { Stack } from 'aws-cdk-lib'
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { FilterPattern, SubscriptionFilter } from 'aws-cdk-lib/aws-logs'
import { LambdaDestination } from 'aws-cdk-lib/aws-logs-destinations'
import type { Construct } from 'constructs'
import type { FunctionName } from '../../src/edge/functions.ts'
import type { ViewkeeperFunction } from './viewkeeper-function.ts'

export interface CallOnLineProps {
  environmentName: string
  functions: Record<FunctionName, ViewkeeperFunction>
  /** The functions that log the line. */
  logging: readonly FunctionName[]
  message: string
  /** The function that CloudWatch Logs calls for the line. */
  calls: FunctionName
}

/** Has CloudWatch Logs call a function outside the network of the database when a function inside logs a line. */
export function callOnLine(
  scope: Construct,
  { environmentName, functions, logging, message, calls }: CallOnLineProps,
): void {
  const { lambda } = functions[calls]
  const { partition, region, account } = Stack.of(scope)
  lambda.addPermission('LogLine', {
    principal: new ServicePrincipal('logs.amazonaws.com'),
    sourceArn: `arn:${partition}:logs:${region}:${account}:log-group:/viewkeeper/${environmentName}/*`,
    sourceAccount: account,
  })
  const permission = lambda.node.findChild('LogLine')
  for (const name of logging) {
    const filter = new SubscriptionFilter(scope, name, {
      logGroup: functions[name].logGroup,
      destination: new LambdaDestination(lambda, { addPermissions: false }),
      filterPattern: FilterPattern.literal(`{ $.message = "${message}" }`),
    })
    // CloudWatch Logs tries the call when the filter is made.
    filter.node.addDependency(permission)
  }
}
