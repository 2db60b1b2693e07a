import { ReferenceStrength, Stack } from 'aws-cdk-lib'
import type { Connections, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import type { ValidCreatedDatabase } from '../environment/database.ts'
import type { CreatedServer } from './created-server.ts'
import type { Database } from './database.ts'
import { iamLogin, type Login, roleSecret, type SecretRotationOptions } from './login.ts'

export interface CreatedDatabaseProps {
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
