import { type App, Stack } from 'aws-cdk-lib'
import { CfnFlowLog, CfnSecurityGroupEgress, CfnSecurityGroupIngress } from 'aws-cdk-lib/aws-ec2'
import { CfnFunction } from 'aws-cdk-lib/aws-lambda'
import { CfnQueryDefinition, CfnSubscriptionFilter } from 'aws-cdk-lib/aws-logs'
import { CfnTopicPolicy } from 'aws-cdk-lib/aws-sns'

/** What the emulator does not know: rules between security groups, flow logs and saved queries. */
const unknown = [CfnSecurityGroupIngress, CfnSecurityGroupEgress, CfnFlowLog, CfnQueryDefinition]

export const addressOfEndpoint = 'AWS_ENDPOINT_URL_SECRETS_MANAGER'

/** What a function is told. */
export const variablesOf = (lambda: CfnFunction): Record<string, unknown> =>
  Stack.of(lambda).resolve(lambda.environment)?.variables ?? {}

/** Takes away what the emulator does not know, or refuses; test/infra asserts it. */
export function fitForEmulator(app: App): void {
  for (const construct of app.node.findAll()) {
    if (unknown.some((kind) => construct instanceof kind))
      construct.node.scope?.node.tryRemoveChild(construct.node.id)
    // The emulator gives an endpoint no addresses.
    if (construct instanceof CfnFunction && addressOfEndpoint in variablesOf(construct))
      construct.addPropertyDeletionOverride(`Environment.Variables.${addressOfEndpoint}`)
    // The emulator seeks words in a line of a log, and does not read its JSON.
    if (construct instanceof CfnSubscriptionFilter)
      construct.filterPattern = String(construct.filterPattern).replace(/^.*(".+").*$/, '$1')
    // The emulator speaks HTTP, which the topics refuse.
    if (construct instanceof CfnTopicPolicy) {
      const { Statement, ...rest } = Stack.of(construct).resolve(construct.policyDocument)
      construct.policyDocument = {
        ...rest,
        Statement: Statement.filter(({ Effect }: { Effect: string }) => Effect !== 'Deny'),
      }
    }
  }
}
