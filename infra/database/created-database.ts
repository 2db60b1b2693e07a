import { Validations } from 'aws-cdk-lib'
import { Connections, type ISubnet, type IVpc, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import type { IGrantable } from 'aws-cdk-lib/aws-iam'
import type { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import type { CreatedDatabaseOptions } from '../environment/database.ts'
import type { Database } from './database.ts'
import { IsolatedNetwork } from './isolated-network.ts'
import { PostgresInstance } from './postgres-instance.ts'

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
  readonly secret: ISecret
  readonly adminSecret: ISecret
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
    this.endpointSubnets = options.multiAz ? subnets : subnets.slice(0, 1)
    this.databaseName = options.name
    this.secret = roleSecret(this)
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
    const { host, adminSecret } = new PostgresInstance(this, 'Postgres', props)
    this.host = host
    this.adminSecret = adminSecret
  }

  grantRead(grantee: IGrantable): void {
    this.secret.grantRead(grantee)
  }
}

function roleSecret(scope: Construct): Secret {
  const secret = new Secret(scope, 'RoleSecret', {
    description: 'Login and password of the role that Viewkeeper works with',
    generateSecretString: {
      secretStringTemplate: JSON.stringify({ username: 'viewkeeper_app' }),
      generateStringKey: 'password',
      passwordLength: 40,
      excludePunctuation: true,
    },
  })
  Validations.of(secret).acknowledge({
    id: 'AwsSolutions-SMG4',
    reason:
      'The function migrate gives this password to the role; a rotation without migrate would lock the role out.',
  })
  return secret
}
