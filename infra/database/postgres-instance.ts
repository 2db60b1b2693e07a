import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib'
import { InstanceType, type ISubnet, type IVpc, type SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import {
  Credentials,
  DatabaseInstance,
  DatabaseInstanceEngine,
  ParameterGroup,
  PostgresEngineVersion,
  StorageType,
} from 'aws-cdk-lib/aws-rds'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import type { CreatedDatabaseOptions } from '../environment/database.ts'

export interface PostgresInstanceProps {
  options: CreatedDatabaseOptions
  port: number
  vpc: IVpc
  subnets: ISubnet[]
  securityGroup: SecurityGroup
}

const parameters = {
  'rds.force_ssl': '1',
  // A refresh writes its whole view to the write-ahead log. With fewer checkpoints the server writes fewer
  // full pages; the price is a longer recovery after a crash.
  max_wal_size: '4096', // MB
  checkpoint_timeout: '900', // seconds
  random_page_cost: '1.1', // the storage is solid-state
}

/** An RDS PostgreSQL whose master password RDS manages and rotates. */
export class PostgresInstance extends Construct {
  readonly host: string
  /** Holds `username` and `password` of the master user. */
  readonly adminSecret: ISecret

  constructor(scope: Construct, id: string, { options, ...props }: PostgresInstanceProps) {
    super(scope, id)
    const engine = DatabaseInstanceEngine.postgres({
      version: PostgresEngineVersion.of(options.postgresVersion, options.postgresVersion),
    })
    const instance = new DatabaseInstance(this, 'Instance', {
      engine,
      instanceType: new InstanceType(options.instanceType),
      credentials: Credentials.fromUsername('viewkeeper_admin'),
      manageMasterUserPassword: true,
      databaseName: options.name,
      port: props.port,
      vpc: props.vpc,
      vpcSubnets: { subnets: props.subnets },
      securityGroups: [props.securityGroup],
      publiclyAccessible: false,
      parameterGroup: new ParameterGroup(this, 'Parameters', { engine, parameters }),
      storageType: StorageType.GP3,
      storageEncrypted: true,
      allocatedStorage: options.storageGiB,
      maxAllocatedStorage: options.maxStorageGiB,
      multiAz: options.multiAz,
      backupRetention: Duration.days(options.backupDays),
      preferredBackupWindow: options.backupWindow,
      copyTagsToSnapshot: true,
      autoMinorVersionUpgrade: true,
      allowMajorVersionUpgrade: false,
      deletionProtection: options.protect,
      removalPolicy: options.protect ? RemovalPolicy.SNAPSHOT : RemovalPolicy.DESTROY,
    })
    acknowledgeFindings(instance, options)
    this.host = instance.dbInstanceEndpointAddress
    if (!instance.secret) throw new Error('RDS manages the master password, but the instance has no secret')
    this.adminSecret = instance.secret
  }
}

function acknowledgeFindings(instance: DatabaseInstance, { multiAz, protect }: CreatedDatabaseOptions) {
  const acknowledge = (rule: string, reason: string) =>
    Validations.of(instance).acknowledge({ id: `AwsSolutions-${rule}`, reason })
  acknowledge('RDS11', 'Only the functions can reach the port; another port number would hide nothing.')
  if (!multiAz)
    acknowledge('RDS3', 'The environment says multiAz: false. An outage delays refreshes and loses none.')
  if (!protect) acknowledge('RDS10', 'The environment says protect: false: its data may be lost.')
}
