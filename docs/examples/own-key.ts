import { Aspects, Stack } from 'aws-cdk-lib'
import { AnyPrincipal, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda'
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs'
import { CfnSecret } from 'aws-cdk-lib/aws-secretsmanager'
import { CfnTopic } from 'aws-cdk-lib/aws-sns'
import { CfnQueue } from 'aws-cdk-lib/aws-sqs'
import type { Construct } from 'constructs'

/** Encrypts the logs, topics, queues and secrets of a construct or stack, and lets those use the key who work with them. */
export function encryptWith(scope: Construct, key: IKey): void {
  const { account, region, partition } = Stack.of(scope)
  Aspects.of(scope).add({
    visit(node) {
      if (node instanceof CfnLogGroup || node instanceof CfnSecret) node.kmsKeyId = key.keyArn
      if (node instanceof CfnTopic) node.kmsMasterKeyId = key.keyArn
      if (node instanceof CfnQueue) {
        node.kmsMasterKeyId = key.keyArn
        node.sqsManagedSseEnabled = undefined
      }
    },
  })

  // In China, name each host with `.cn` at its end, too.
  const through = (...services: string[]) => ({
    'kms:ViaService': services.map((service) => `${service}.${region}.amazonaws.com`),
  })
  // The functions read the secret of the role, and a rotation writes it.
  for (const each of scope.node.findAll().filter((one) => one instanceof LambdaFunction))
    each.addToRolePolicy(
      new PolicyStatement({
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        resources: [key.keyArn],
        conditions: { StringEquals: through('secretsmanager') },
      }),
    )

  // CloudWatch writes logs and publishes alarms, SNS sends dead letters, and callers that may use a topic or a queue use its key.
  const use = ['kms:Decrypt', 'kms:GenerateDataKey*']
  const more = ['kms:Encrypt', 'kms:ReEncrypt*', 'kms:DescribeKey']
  const ofAccount = { 'aws:SourceAccount': account }
  for (const statement of [
    {
      principals: [new ServicePrincipal(`logs.${region}.amazonaws.com`)],
      actions: [...use, ...more],
      conditions: {
        ArnLike: {
          'kms:EncryptionContext:aws:logs:arn': `arn:${partition}:logs:${region}:${account}:log-group:*`,
        },
      },
    },
    {
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: use,
      conditions: {
        StringEquals: ofAccount,
        ArnLike: { 'kms:EncryptionContext:aws:sns:topicArn': `arn:${partition}:sns:${region}:${account}:*` },
      },
    },
    {
      principals: [new ServicePrincipal('sns.amazonaws.com')],
      actions: use,
      conditions: { StringEquals: ofAccount },
    },
    {
      principals: [new AnyPrincipal()],
      actions: [...use, ...more, 'kms:CreateGrant'],
      conditions: { StringEquals: { 'kms:CallerAccount': account, ...through('sns', 'sqs') } },
    },
  ])
    key.addToResourcePolicy(new PolicyStatement({ ...statement, resources: ['*'] }), true)
}
