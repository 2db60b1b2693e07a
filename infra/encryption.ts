import { Aspects, type IAspect, Stack } from 'aws-cdk-lib'
import { AnyPrincipal, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs'
import { CfnSecret } from 'aws-cdk-lib/aws-secretsmanager'
import { CfnTopic } from 'aws-cdk-lib/aws-sns'
import { CfnQueue } from 'aws-cdk-lib/aws-sqs'
import type { Construct, IConstruct } from 'constructs'
import { hostsOf } from './database/login.ts'

/**
 * Encrypts the logs, topics, queues and secrets below a construct with a key, and lets the services use the key. The policy
 * of an imported key cannot be changed here: docs/cdk.md has the statements that it needs.
 */
export function encryptWith(scope: Construct, key: IKey): void {
  for (const statement of statementsOf(scope)) key.addToResourcePolicy(statement, true)
  Aspects.of(scope).add(new Encrypted(key))
}

class Encrypted implements IAspect {
  private readonly keyArn: string

  constructor({ keyArn }: IKey) {
    this.keyArn = keyArn
  }

  visit(node: IConstruct): void {
    if (node instanceof CfnLogGroup || node instanceof CfnSecret) node.kmsKeyId ??= this.keyArn
    if (node instanceof CfnTopic) node.kmsMasterKeyId ??= this.keyArn
    if (node instanceof CfnQueue) {
      node.kmsMasterKeyId ??= this.keyArn
      node.sqsManagedSseEnabled = undefined
    }
  }
}

/**
 * Who may use the key: CloudWatch for log groups and alarms, SNS for the dead letters of a topic, and whoever may use the
 * topic or the queue itself, as with the keys of AWS. Who reads the secret of the role may use the key by a policy of IAM: a
 * statement for everybody would open other secrets under the key, too.
 */
function statementsOf(scope: Construct): PolicyStatement[] {
  const { account, region, partition } = Stack.of(scope)
  const use = ['kms:Decrypt', 'kms:GenerateDataKey*']
  const through = ['sns', 'sqs'].flatMap((service) => hostsOf(service, region))
  return [
    new PolicyStatement({
      principals: [new ServicePrincipal(`logs.${region}.amazonaws.com`)],
      actions: [...use, 'kms:Encrypt', 'kms:ReEncrypt*', 'kms:DescribeKey'],
      resources: ['*'],
      conditions: {
        ArnLike: {
          'kms:EncryptionContext:aws:logs:arn': `arn:${partition}:logs:${region}:${account}:log-group:*`,
        },
      },
    }),
    new PolicyStatement({
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: use,
      resources: ['*'],
      conditions: {
        StringEquals: { 'aws:SourceAccount': account },
        // https://docs.aws.amazon.com/gamelift/latest/flexmatchguide/queue-notification-sns-sse.html
        ArnLike: { 'kms:EncryptionContext:aws:sns:topicArn': `arn:${partition}:sns:${region}:${account}:*` },
      },
    }),
    // AWS documents no such context for queues.
    new PolicyStatement({
      principals: [new ServicePrincipal('sns.amazonaws.com')],
      actions: use,
      resources: ['*'],
      conditions: { StringEquals: { 'aws:SourceAccount': account } },
    }),
    new PolicyStatement({
      principals: [new AnyPrincipal()],
      actions: [...use, 'kms:Encrypt', 'kms:ReEncrypt*', 'kms:CreateGrant', 'kms:DescribeKey'],
      resources: ['*'],
      conditions: { StringEquals: { 'kms:CallerAccount': account, 'kms:ViaService': through } },
    }),
  ]
}
