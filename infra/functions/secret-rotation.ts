import { Duration, Stack } from 'aws-cdk-lib'
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { CfnRotationSchedule } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import { type Database, databaseVariables } from '../database/database.ts'
import { allowSecret, rotatingActions, type SecretRotationOptions } from '../database/login.ts'
import type { ValidOptions } from '../environment/valid-options.ts'
import { type FunctionNetwork, ViewkeeperFunction } from './viewkeeper-function.ts'

export interface SecretRotationProps extends SecretRotationOptions {
  environmentName: string
  options: ValidOptions
  database: Database
  network: FunctionNetwork
}

/**
 * Changes the password of the role that Viewkeeper works with every few days: Secrets Manager calls the function
 * `rotate`, in the network of the database.
 */
export class SecretRotation extends Construct {
  readonly function: ViewkeeperFunction

  constructor(scope: Construct, id: string, props: SecretRotationProps) {
    super(scope, id)
    const { environmentName, options, database, secret } = props
    this.function = new ViewkeeperFunction(this, 'rotate', {
      name: 'rotate',
      environmentName,
      description: "Rotates the secret of Viewkeeper's role, for Secrets Manager",
      timeout: Duration.minutes(1),
      logRetentionDays: options.logRetentionDays,
      memorySize: options.memorySize,
      tracing: options.tracing,
      network: props.network,
      variables: {
        VIEWKEEPER_ENVIRONMENT: environmentName,
        POWERTOOLS_SERVICE_NAME: 'viewkeeper',
        POWERTOOLS_LOG_LEVEL: options.logLevel,
        ...databaseVariables(database),
      },
    })
    const { lambda } = this.function
    // CDK's RotationSchedule would also allow secretsmanager:GetRandomPassword on every resource.
    allowSecret(secret, lambda, rotatingActions, ['kms:Decrypt', 'kms:GenerateDataKey'])
    lambda.addPermission('SecretsManager', {
      principal: new ServicePrincipal('secretsmanager.amazonaws.com'),
      sourceAccount: Stack.of(this).account,
    })
    const schedule = new CfnRotationSchedule(this, 'Schedule', {
      secretId: secret.secretArn,
      rotationLambdaArn: lambda.functionArn,
      rotationRules: { automaticallyAfterDays: props.everyDays },
      // Secrets Manager only tests the function now: the password was made a moment ago.
      rotateImmediatelyOnUpdate: false,
    })
    schedule.node.addDependency(lambda)
  }
}
