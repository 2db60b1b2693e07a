import { Validations } from 'aws-cdk-lib'
import { Connections, type ISubnet, type IVpc, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import type { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import type { CreatedDatabaseOptions } from '../environment/database.ts'
import type { Database } from './database.ts'
import { IsolatedNetwork } from './isolated-network.ts'
import { iamLogin, type Login, type SecretRotationOptions } from './login.ts'
import { PostgresInstance } from './postgres-instance.ts'

/** The role that Viewkeeper works with. */
const workingRole = 'viewkeeper_app'

export interface CreatedDatabaseProps {
  options: CreatedDatabaseOptions
  logRetentionDays: RetentionDays
}

/**
 * An RDS PostgreSQL that the stack creates, in an isolated network, with a role for Viewkeeper besides the
 * master user.
 */
export class CreatedDatabase extends Construct implements Database {
  readonly host: string
  readonly port = 5432
  readonly databaseName: string
  readonly login: Login
  readonly admin: Login
  readonly rotation?: SecretRotationOptions
  readonly vpc: IVpc
  readonly subnets: ISubnet[]
  readonly endpointSubnets: ISubnet[]
  readonly connections: Connections

  constructor(scope: Construct, id: string, { options, logRetentionDays }: CreatedDatabaseProps) {
    super(scope, id)
    const { vpc, subnets } = new IsolatedNetwork(this, 'Network', { logRetentionDays })
    this.vpc = vpc
    this.subnets = subnets
    // A single server is in one zone: if that zone fails, an endpoint in a second zone helps nobody.
    const zones = options.multiAz ? subnets : subnets.slice(0, 1)
    this.endpointSubnets = options.authentication === 'iam' ? [] : zones
    this.databaseName = options.name
    const securityGroup = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'The database of Viewkeeper; its functions come in, nothing goes out',
      allowAllOutbound: false,
    })
    this.connections = new Connections({
      securityGroups: [securityGroup],
      defaultPort: Port.tcp(this.port),
    })
    const props = { options, port: this.port, vpc, subnets, securityGroup }
    const { host, admin, resourceId } = new PostgresInstance(this, 'Postgres', props)
    this.host = host
    this.admin = admin
    if (options.authentication === 'iam') {
      this.login = iamLogin(this, workingRole, resourceId)
    } else {
      const secret = roleSecret(this, options)
      this.login = { secret }
      if (options.rotateSecretDays !== undefined)
        this.rotation = { secret, everyDays: options.rotateSecretDays }
    }
  }
}

function roleSecret(scope: Construct, { rotateSecretDays }: CreatedDatabaseOptions): Secret {
  const secret = new Secret(scope, 'RoleSecret', {
    description: 'Login and password of the role that Viewkeeper works with',
    generateSecretString: {
      secretStringTemplate: JSON.stringify({ username: workingRole }),
      generateStringKey: 'password',
      passwordLength: 40,
      excludePunctuation: true,
    },
  })
  if (rotateSecretDays === undefined)
    Validations.of(secret).acknowledge({
      id: 'AwsSolutions-SMG4',
      reason:
        'The environment does not set rotateSecretDays. A new password takes a call of the function migrate.',
    })
  return secret
}
