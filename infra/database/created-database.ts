import { Connections, type ISubnet, type IVpc, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import type { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import type { ValidCreatedDatabase } from '../environment/database.ts'
import type { Database } from './database.ts'
import { IsolatedNetwork } from './isolated-network.ts'
import { iamLogin, type Login, type SecretRotationOptions } from './login.ts'
import { PostgresInstance } from './postgres-instance.ts'
import { roleSecret } from './role-secret.ts'

/** The role that Viewkeeper works with. */
const workingRole = 'viewkeeper_app'

export interface CreatedDatabaseProps {
  /** Part of the identifier of the server. */
  environmentName: string
  options: ValidCreatedDatabase
  /** Whether RDS may upgrade the server to another major version. */
  majorUpgrade: boolean
  logRetentionDays: RetentionDays
}

/**
 * An RDS PostgreSQL that Viewkeeper's own stack creates, in an isolated network, with a role for Viewkeeper besides
 * the master user.
 */
export class CreatedDatabase extends Construct implements Database {
  readonly host: string
  readonly port = 5432
  readonly databaseName: string
  readonly login: Login
  readonly admin: Login
  readonly rotation?: SecretRotationOptions
  readonly connectionLimit?: number
  readonly vpc: IVpc
  readonly subnets: ISubnet[]
  readonly endpointSubnets: ISubnet[]
  readonly connections: Connections
  readonly securityGroup: SecurityGroup
  /** What a policy of IAM database authentication calls the server. */
  readonly resourceId: string

  constructor(scope: Construct, id: string, props: CreatedDatabaseProps) {
    super(scope, id)
    const { environmentName, options, majorUpgrade, logRetentionDays } = props
    const network = new IsolatedNetwork(this, 'Network', { cidr: options.cidr, logRetentionDays })
    const { vpc, subnets } = network
    this.vpc = vpc
    this.subnets = subnets
    // RDS puts a single server into a zone of its choice, which no template knows. A zone that the template said could not
    // change: a server that had a standby would have to be replaced. So the endpoint may be in the other zone.
    // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-rds-dbinstance.html
    const zones = options.multiAz ? subnets : subnets.slice(0, 1)
    this.endpointSubnets = options.authentication === 'iam' ? [] : zones
    this.databaseName = options.name
    this.connectionLimit = options.connectionLimit
    this.securityGroup = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'The database of Viewkeeper; its functions come in, nothing goes out',
      allowAllOutbound: false,
    })
    this.connections = new Connections({
      securityGroups: [this.securityGroup],
      defaultPort: Port.tcp(this.port),
    })
    const secret =
      options.authentication === 'iam'
        ? undefined
        : roleSecret(this, { role: workingRole, rotateSecretDays: options.rotateSecretDays })
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
      after: secret ? [network, secret] : [network],
    })
    this.host = server.host
    this.admin = server.admin
    this.resourceId = server.resourceId
    this.login = secret ? { secret } : iamLogin(this, workingRole, ...server.resourceIds)
    if (secret && options.rotateSecretDays !== undefined)
      this.rotation = { secret, everyDays: options.rotateSecretDays }
  }
}

/**
 * The server's name in RDS. It is fixed so that log groups, alarms and commands know it. CloudFormation cannot replace
 * a server with a fixed name, so that a change of options never puts an empty server in the place of the old one.
 */
export const serverIdentifier = (environmentName: string): string => `viewkeeper-${environmentName}`
