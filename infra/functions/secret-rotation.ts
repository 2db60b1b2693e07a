import { Stack } from 'aws-cdk-lib'
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { CfnRotationSchedule } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import { allowSecret, rotatingActions, type SecretRotationOptions } from '../database/login.ts'
import { type FunctionSurroundings, ViewkeeperFunction } from './viewkeeper-function.ts'

/**
 * Changes the password of the role that Viewkeeper works with every few days: Secrets Manager calls the function
 * `rotate`, in the network of the database.
 */
export class SecretRotation extends Construct {
  readonly function: ViewkeeperFunction

  constructor(
    scope: Construct,
    id: string,
    { secret, everyDays, ...around }: FunctionSurroundings & SecretRotationOptions,
  ) {
    super(scope, id)
    this.function = new ViewkeeperFunction(this, 'rotate', around)
    const { lambda } = this.function
    // CDK's RotationSchedule would also allow secretsmanager:GetRandomPassword on every resource.
    allowSecret(secret, lambda, rotatingActions, ['kms:Decrypt', 'kms:GenerateDataKey'])
    lambda.addPermission('SecretsManager', {
      principal: new ServicePrincipal('secretsmanager.amazonaws.com'),
      sourceAccount: Stack.of(this).account,
      sourceArn: secret.secretArn,
    })
    const schedule = new CfnRotationSchedule(this, 'Schedule', {
      secretId: secret.secretArn,
      rotationLambdaArn: lambda.functionArn,
      rotationRules: { automaticallyAfterDays: everyDays },
      // Secrets Manager only tests the function now: the password was made a moment ago.
      rotateImmediatelyOnUpdate: false,
    })
    schedule.node.addDependency(lambda)
  }
}
