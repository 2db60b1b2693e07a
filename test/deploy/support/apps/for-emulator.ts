import { writeFileSync } from 'node:fs'
import { type App, CfnResource, Stack } from 'aws-cdk-lib'
import { CfnFunction } from 'aws-cdk-lib/aws-lambda'
import { CfnSubscriptionFilter } from 'aws-cdk-lib/aws-logs'
import { CfnTopicPolicy } from 'aws-cdk-lib/aws-sns'

/** What the emulator does not know: rules between security groups, the closing of a network's own, flow logs, and mails of RDS. */
const unknown = [
  'AWS::EC2::SecurityGroupIngress',
  'AWS::EC2::SecurityGroupEgress',
  'Custom::VpcRestrictDefaultSG',
  'AWS::EC2::FlowLog',
  'AWS::RDS::EventSubscription',
]

export const addressOfEndpoint = 'AWS_ENDPOINT_URL_SECRETS_MANAGER'

/** What a function is told. */
export const variablesOf = (lambda: CfnFunction): Record<string, unknown> =>
  Stack.of(lambda).resolve(lambda.environment)?.variables ?? {}

/** Takes away what the emulator does not know, or refuses; test/infra asserts it. */
export function fitForEmulator(app: App): void {
  for (const construct of app.node.findAll()) {
    if (CfnResource.isCfnResource(construct) && unknown.includes(construct.cfnResourceType))
      construct.node.scope?.node.tryRemoveChild(construct.node.id)
    // The emulator gives an endpoint no addresses.
    if (construct instanceof CfnFunction && addressOfEndpoint in variablesOf(construct))
      construct.addPropertyDeletionOverride(`Environment.Variables.${addressOfEndpoint}`)
    // The emulator seeks all words of a pattern in a line of a log, and does not read its JSON: what seeks one of two messages gets
    // every line.
    if (construct instanceof CfnSubscriptionFilter) {
      const messages = String(construct.filterPattern).match(/"[^"]+"/g) ?? []
      construct.filterPattern = messages.length === 1 ? (messages[0] as string) : ''
    }
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

/** Synthesizes the app. The emulator takes the name of a created secret for its ARN, unless it is asked for the attribute. */
export function synthesizeForEmulator(app: App): void {
  for (const { templateFullPath, template } of app.synth().stacks) {
    const secrets = Object.entries(template.Resources as Record<string, { Type: string }>)
      .filter(([, { Type }]) => Type === 'AWS::SecretsManager::Secret')
      .map(([id]) => id)
    const written = secrets.reduce(
      (text, id) => text.replaceAll(`{"Ref":"${id}"}`, `{"Fn::GetAtt":["${id}","Id"]}`),
      JSON.stringify(template),
    )
    writeFileSync(templateFullPath, written)
  }
}
