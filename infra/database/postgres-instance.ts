import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib'
import { InstanceType, type ISubnet, type IVpc, type SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import {
  type CfnDBInstance,
  Credentials,
  DatabaseInstance,
  DatabaseInstanceEngine,
  ParameterGroup,
  PostgresEngineVersion,
  StorageType,
} from 'aws-cdk-lib/aws-rds'
import { Construct } from 'constructs'
import type { CreatedDatabaseOptions } from '../environment/database.ts'
import { iamLogin, type Login } from './login.ts'

const masterUser = 'viewkeeper_admin'

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

/** An RDS PostgreSQL whose master password RDS manages and rotates, or whose master user logs in with IAM. */
export class PostgresInstance extends Construct {
  readonly host: string
  /** What a policy of IAM database authentication calls this server. */
  readonly resourceId: string
  /** The master user. */
  readonly admin: Login

  constructor(scope: Construct, id: string, { options, ...props }: PostgresInstanceProps) {
    super(scope, id)
    const engine = DatabaseInstanceEngine.postgres({
      version: PostgresEngineVersion.of(options.postgresVersion, options.postgresVersion),
    })
    const instance = new DatabaseInstance(this, 'Instance', {
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

function acknowledgeFindings(instance: DatabaseInstance, { multiAz, protect }: CreatedDatabaseOptions) {
  const acknowledge = (rule: string, reason: string) =>
    Validations.of(instance).acknowledge({ id: `AwsSolutions-${rule}`, reason })
  acknowledge('RDS11', 'Only the functions can reach the port; another port number would hide nothing.')
  if (!multiAz)
    acknowledge('RDS3', 'The environment says multiAz: false. An outage delays refreshes and loses none.')
  if (!protect) acknowledge('RDS10', 'The environment says protect: false: its data may be lost.')
}
