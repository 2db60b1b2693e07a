import { type App, Stack } from 'aws-cdk-lib'
import { CfnFlowLog, CfnSecurityGroupEgress, CfnSecurityGroupIngress } from 'aws-cdk-lib/aws-ec2'
import { CfnQueryDefinition } from 'aws-cdk-lib/aws-logs'
import { CfnTopicPolicy } from 'aws-cdk-lib/aws-sns'

/** What the emulator does not know: rules between security groups, flow logs and saved queries. */
const unknown = [CfnSecurityGroupIngress, CfnSecurityGroupEgress, CfnFlowLog, CfnQueryDefinition]

/** Takes away what the emulator does not know, or refuses; test/infra asserts it. */
export function fitForEmulator(app: App): void {
  for (const construct of app.node.findAll()) {
    if (unknown.some((kind) => construct instanceof kind))
      construct.node.scope?.node.tryRemoveChild(construct.node.id)
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
