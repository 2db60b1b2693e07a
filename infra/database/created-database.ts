import {
  CfnOutput,
  Duration,
  Fn,
  ReferenceStrength,
  RemovalPolicy,
  Stack,
  Tags,
  Validations,
} from 'aws-cdk-lib'
import {
  Connections,
  FlowLogDestination,
  FlowLogTrafficType,
  InstanceType,
  IpAddresses,
  type ISubnet,
  type IVpc,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2'
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
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import { pinNames } from '../fixed-names.ts'
import type { Environment, ValidCreatedDatabase } from '../options.ts'
import { type Database, iamLogin, type Login, roleSecret, type SecretRotationOptions } from './database.ts'

interface CreatedServerProps {
  /** Part of the identifier of the server. */
  environmentName: string
  options: ValidCreatedDatabase
  /** Whether RDS may upgrade the server to another major version. */
  majorUpgrade: boolean
  logRetentionDays: RetentionDays
}

/** An RDS PostgreSQL that Viewkeeper's own stack creates, in an isolated network. */
class CreatedServer extends Construct {
  readonly host: string
  readonly port = 5432
  /** How the master user logs in. */
  readonly admin: Login
  readonly vpc: IVpc
  readonly subnets: ISubnet[]
  readonly connections: Connections
  readonly securityGroup: SecurityGroup
  /** What policies of IAM database authentication call the server. */
  readonly resourceId: string

  constructor(scope: Construct, id: string, props: CreatedServerProps) {
    super(scope, id)
    const { environmentName, options, majorUpgrade, logRetentionDays } = props
    const network = new Construct(this, 'Network')
    const vpc = isolatedVpc(network, logRetentionDays)
    const subnets = vpc.isolatedSubnets
    this.vpc = vpc
    this.subnets = subnets
    this.securityGroup = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'The database of Viewkeeper; its functions come in, nothing goes out',
      allowAllOutbound: false,
    })
    this.connections = new Connections({
      securityGroups: [this.securityGroup],
      defaultPort: Port.tcp(this.port),
    })
    const server = new PostgresInstance(this, 'Postgres', {
      identifier: serverIdentifier(environmentName),
      options,
      majorUpgrade,
      port: this.port,
      vpc,
      subnets,
      securityGroup: this.securityGroup,
      logRetentionDays,
      // A stack whose creation fails cannot be rolled back if it has a protected server. So the server comes last: no
      // other resource can fail after it.
      after: [network],
    })
    this.host = server.host
    this.admin = server.admin
    this.resourceId = server.resourceId
  }
}

/** A network in the zones of its stack, without any way to or from the internet. */
function isolatedVpc(scope: Construct, logRetentionDays: RetentionDays): Vpc {
  const vpc = new Vpc(scope, 'Vpc', {
    ipAddresses: IpAddresses.cidr('10.0.0.0/16'),
    // RDS requires two zones, also for a single server.
    maxAzs: 2,
    natGateways: 0,
    // The group that AWS gives each network lets everything in it talk to everything. Nothing here uses it.
    restrictDefaultSecurityGroup: true,
    subnetConfiguration: [{ name: 'isolated', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 }],
  })
  const logGroup = new LogGroup(scope, 'RejectedTraffic', {
    retention: logRetentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
  })
  vpc.addFlowLog('Rejected', {
    destination: FlowLogDestination.toCloudWatchLogs(logGroup),
    trafficType: FlowLogTrafficType.REJECT,
  })
  return vpc
}

/**
 * The server's name in RDS. It is fixed so that log groups, alarms and commands know it. CloudFormation cannot replace
 * a server with a fixed name, so that a change of options never puts an empty server in the place of the old one.
 */
export const serverIdentifier = (environmentName: string): string => `viewkeeper-${environmentName}`

interface CreatedDatabaseProps {
  options: ValidCreatedDatabase
  /** The server, in a stack that is deployed before. */
  server: CreatedServer
}

/**
 * The created server as the stack of the functions sees it. Each way to log in has a role of its own, so functions of the
 * version before go on while a deploy changes the way: a member of `rds_iam` cannot log in with its password.
 */
export class CreatedDatabase extends Construct implements Database {
  readonly host: string
  readonly port: number
  readonly databaseName: string
  readonly login: Login
  readonly admin: Login
  readonly rotation?: SecretRotationOptions
  readonly connectionLimit?: number
  readonly vpc: IVpc
  readonly subnets: ISubnet[]
  readonly endpointSubnets: ISubnet[]
  readonly connections: Connections

  constructor(scope: Construct, id: string, props: CreatedDatabaseProps) {
    super(scope, id)
    const { options, server } = props
    const { name, connectionLimit, rotateSecretDays } = options
    this.host = server.host
    this.port = server.port
    this.databaseName = name
    this.connectionLimit = connectionLimit
    this.vpc = server.vpc
    this.subnets = server.subnets
    this.connections = server.connections
    if ('user' in server.admin) {
      this.login = iamLogin(this, 'viewkeeper_iam', server.resourceId)
      this.admin = server.admin
      this.endpointSubnets = []
      return
    }
    const secret = roleSecret(this, { role: 'viewkeeper_app', rotateSecretDays })
    this.login = { secret }
    this.admin = {
      secret: Secret.fromSecretCompleteArn(this, 'Master', weakly(server.admin.secret.secretArn)),
    }
    if (rotateSecretDays !== undefined) this.rotation = { secret, everyDays: rotateSecretDays }
    // RDS puts the server into a zone of its choice, which no template knows. A zone that the template said could not
    // change. So the endpoint may be in the other zone.
    // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-rds-dbinstance.html
    this.endpointSubnets = server.subnets.slice(0, 1)
  }
}

/**
 * The master's secret goes when the master logs in with IAM. Its stack is deployed first, and CloudFormation refuses to remove an
 * export that another stack reads; a weak reference reads an output, and holds nobody up.
 */
const weakly = (secretArn: string) => Stack.consumeReference(secretArn, ReferenceStrength.WEAK)

interface DatabaseStackProps {
  /** Part of the name of every resource. */
  environmentName: string
  environment: Environment
  options: ValidCreatedDatabase
  /** Whether RDS may upgrade the server to another major version. */
  majorUpgrade: boolean
}

/**
 * The created server of one environment, and its network. It is a stack of its own so that a first deploy that fails
 * rolls the other stack back, and touches no data.
 */
export class DatabaseStack extends Stack {
  readonly server: CreatedServer

  /**
   * The first two zones of the region, whichever they are. Without this, CDK asks AWS for the zones if it knows account and
   * region, and `cdk synth` needs credentials.
   */
  override get availabilityZones(): string[] {
    return [0, 1].map((index) => Fn.select(index, Fn.getAzs()))
  }

  constructor(scope: Construct, { environmentName, environment, options, majorUpgrade }: DatabaseStackProps) {
    super(scope, `viewkeeper-${environmentName}-database`, {
      description: `The database of Viewkeeper ${environmentName}, and its network`,
      env: { account: environment.account, region: environment.region },
      terminationProtection: options.protect,
    })
    tagStack(this, environmentName, environment)
    this.server = new CreatedServer(this, 'Database', {
      environmentName,
      options,
      majorUpgrade,
      logRetentionDays: environment.logRetentionDays,
    })
    pinNames(this, environmentName)
    this.exportAll()
    this.addOutputs()
  }

  /**
   * Exports everything that the other stack may read, whether it reads it today or not. CDK exports only what is read;
   * CloudFormation refuses to remove an export that the deployed version of the other stack still reads, and this stack
   * is deployed first.
   */
  private exportAll() {
    const { vpc, subnets, securityGroup, host, resourceId } = this.server
    const subnetIds = subnets.map(({ subnetId }) => subnetId)
    for (const value of [vpc.vpcId, ...subnetIds, securityGroup.securityGroupId, host, resourceId])
      this.exportValue(value)
  }

  private addOutputs() {
    const { vpc, subnets, securityGroup, admin } = this.server
    const output = (name: string, value: string) => new CfnOutput(this, name, { value })
    output('NetworkId', vpc.vpcId)
    output('SubnetIds', subnets.map(({ subnetId }) => subnetId).join(','))
    output('RouteTableIds', subnets.map(({ routeTable }) => routeTable.routeTableId).join(','))
    output('AvailabilityZones', subnets.map(({ availabilityZone }) => availabilityZone).join(','))
    output('DatabaseSecurityGroup', securityGroup.securityGroupId)
    if ('secret' in admin) output('MasterSecret', admin.secret.secretArn)
  }
}

/** Tags every resource of a stack with the environment's tags and its name. */
export function tagStack(stack: Stack, environmentName: string, { tags }: Environment): void {
  for (const [key, value] of Object.entries(tags)) Tags.of(stack).add(key, value)
  Tags.of(stack).add('viewkeeper:environment', environmentName)
}

const masterUser = 'viewkeeper_admin'

interface PostgresInstanceProps {
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
class PostgresInstance extends Construct {
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
