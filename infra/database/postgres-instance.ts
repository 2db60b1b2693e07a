import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib'
import { InstanceType, type ISubnet, type IVpc, type SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import { Key } from 'aws-cdk-lib/aws-kms'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import {
  type CfnDBInstance,
  Credentials,
  DatabaseInsightsMode,
  DatabaseInstance,
  DatabaseInstanceEngine,
  ParameterGroup,
  PostgresEngineVersion,
  StorageType,
} from 'aws-cdk-lib/aws-rds'
import { Construct } from 'constructs'
import type { ValidCreatedDatabase } from '../options.ts'
import { iamLogin, type Login } from './database.ts'

const masterUser = 'viewkeeper_admin'

export interface PostgresInstanceProps {
  /** The server's name in RDS. */
  identifier: string
  options: ValidCreatedDatabase
  /** Whether RDS may upgrade the server to another major version. */
  majorUpgrade: boolean
  port: number
  vpc: IVpc
  subnets: ISubnet[]
  securityGroup: SecurityGroup
  logRetentionDays: RetentionDays
  /** What exists before the server. */
  after: Construct[]
}

const parameters = {
  'rds.force_ssl': '1',
  // A refresh writes its whole view to the write-ahead log. With fewer checkpoints the server writes fewer
  // full pages; the price is a longer recovery after a crash.
  max_wal_size: '4096', // MB
  checkpoint_timeout: '900', // seconds
  random_page_cost: '1.1', // the storage is solid-state
}

/** The server's own log, and the log of a major upgrade. */
const exportedLogs = ['postgresql', 'upgrade']

/** An RDS PostgreSQL whose master password RDS manages and rotates, or whose master user logs in with IAM. */
export class PostgresInstance extends Construct {
  readonly host: string
  /** What policies of IAM database authentication call this server. */
  readonly resourceId: string
  /** The master user. */
  readonly admin: Login

  constructor(scope: Construct, id: string, { options, ...props }: PostgresInstanceProps) {
    super(scope, id)
    const engine = DatabaseInstanceEngine.postgres({
      version: PostgresEngineVersion.of(options.postgresVersion, options.postgresVersion),
    })
    const logs = exportedLogs.map(
      (name) =>
        new LogGroup(this, `${name}-log`, {
          logGroupName: `/aws/rds/instance/${props.identifier}/${name}`,
          retention: props.logRetentionDays,
          // A log group that remains after the stack would make the next deploy fail: the name is taken.
          removalPolicy: RemovalPolicy.DESTROY,
        }),
    )
    const instance = new DatabaseInstance(this, 'Instance', {
      instanceIdentifier: props.identifier,
      engine,
      instanceType: new InstanceType(options.instanceType),
      credentials: Credentials.fromUsername(masterUser),
      manageMasterUserPassword: true,
      iamAuthentication: options.authentication === 'iam' || undefined,
      databaseName: options.name,
      port: props.port,
      vpc: props.vpc,
      vpcSubnets: { subnets: props.subnets },
      securityGroups: [props.securityGroup],
      publiclyAccessible: false,
      // A group of its own for each version: RDS cannot change the version of a group. CloudFormation makes the new
      // group before it upgrades the server, and removes the old one afterwards.
      parameterGroup: new ParameterGroup(this, `Parameters${options.postgresVersion}`, {
        engine,
        parameters,
      }),
      storageType: StorageType.GP3,
      storageEncrypted: true,
      storageEncryptionKey:
        options.encryptionKeyArn === undefined
          ? undefined
          : Key.fromKeyArn(this, 'Key', options.encryptionKeyArn),
      allocatedStorage: options.storageGiB,
      maxAllocatedStorage: options.maxStorageGiB,
      backupRetention: Duration.days(7),
      copyTagsToSnapshot: true,
      autoMinorVersionUpgrade: true,
      allowMajorVersionUpgrade: props.majorUpgrade,
      cloudwatchLogsExports: exportedLogs,
      // Said, because RDS may choose the mode that costs. It needs Performance Insights, which keeps 7 days for nothing.
      databaseInsightsMode: DatabaseInsightsMode.STANDARD,
      enablePerformanceInsights: true,
      deletionProtection: options.protect,
      removalPolicy: options.protect ? RemovalPolicy.SNAPSHOT : RemovalPolicy.DESTROY,
    })
    // RDS would make a missing log group itself, and keep its lines forever.
    instance.node.addDependency(...logs, ...props.after)
    acknowledgeFindings(instance, options)
    this.host = instance.dbInstanceEndpointAddress
    this.resourceId = (instance.node.defaultChild as CfnDBInstance).attrDbiResourceId
    this.admin = options.authentication === 'iam' ? this.withIam(instance) : withSecret(instance)
  }

  /** CDK's DatabaseInstance knows no master user without a password. */
  private withIam(instance: DatabaseInstance): Login {
    const resource = instance.node.defaultChild as CfnDBInstance
    resource.manageMasterUserPassword = undefined
    resource.masterUserAuthenticationType = 'iam-db-auth'
    return iamLogin(this, masterUser, this.resourceId)
  }
}

function withSecret({ secret }: DatabaseInstance): Login {
  if (!secret) throw new Error('RDS manages the master password, but the instance has no secret')
  return { secret }
}

function acknowledgeFindings(instance: DatabaseInstance, { protect }: ValidCreatedDatabase) {
  const acknowledge = (rule: string, reason: string) =>
    Validations.of(instance).acknowledge({ id: `AwsSolutions-${rule}`, reason })
  acknowledge('RDS11', 'Only the functions can reach the port; another port number would hide nothing.')
  acknowledge(
    'RDS3',
    'An outage of its zone delays refreshes and loses none; a server with a standby is imported.',
  )
  if (!protect) acknowledge('RDS10', 'The environment says protect: false: its data may be lost.')
}
