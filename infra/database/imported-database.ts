import { Annotations, Reference, Resource, Stack, Tokenization } from 'aws-cdk-lib'
import {
  Connections,
  InterfaceVpcEndpoint,
  type ISubnet,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  Vpc,
} from 'aws-cdk-lib/aws-ec2'
import { Key } from 'aws-cdk-lib/aws-kms'
import { CfnDBCluster, type IDatabaseCluster, type IDatabaseInstance } from 'aws-cdk-lib/aws-rds'
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct, Dependable } from 'constructs'
import type { ImportedDatabaseOptions } from '../../src/config/options.ts'
import { parseImportedDatabase, refuseProps, type ValidImportedDatabase } from '../options.ts'
import type { RdsOptions } from '../props.ts'
import {
  type Database,
  type IamLogin,
  iamLogin,
  type Login,
  roleSecret,
  type SecretRotationOptions,
} from './database.ts'

/** A database that exists already. The stack adds at most one rule, to its security group. */
export class ImportedDatabase extends Construct implements Database {
  readonly host: string
  readonly port: number
  readonly databaseName: string
  readonly login: Login
  readonly certificateAuthority?: string
  readonly vpc: IVpc
  readonly ipv6: boolean
  readonly subnets: ISubnet[]
  readonly endpointSubnets: ISubnet[]
  readonly connections: Connections

  constructor(scope: Construct, id: string, given: Omit<ImportedDatabaseOptions, 'kind'>) {
    super(scope, id)
    const options = parseImportedDatabase({ ...given, kind: 'imported' })
    this.host = options.endpoint
    this.port = options.port
    this.databaseName = options.name
    this.certificateAuthority = options.certificateAuthority
    this.login = loginOf(this, options)
    this.vpc = Vpc.fromVpcAttributes(this, 'Vpc', {
      vpcId: options.vpc.id,
      availabilityZones: options.vpc.availabilityZones,
      privateSubnetIds: options.vpc.subnetIds,
    })
    this.subnets = this.vpc.privateSubnets
    // CDK warns that it does not know the route tables of these subnets. The stack does not need them.
    for (const subnet of this.subnets)
      Annotations.of(subnet).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId')
    this.endpointSubnets = options.vpc.addSecretsManagerEndpoint ? firstOfEachZone(this.subnets) : []
    const { cidr, securityGroupId } = options
    this.ipv6 = cidr?.includes(':') ?? false
    this.connections = new Connections({
      ...(cidr === undefined
        ? {
            securityGroups: [
              SecurityGroup.fromSecurityGroupId(this, 'SecurityGroup', securityGroupId as string),
            ],
          }
        : { peer: this.ipv6 ? Peer.ipv6(cidr) : Peer.ipv4(cidr) }),
      defaultPort: Port.tcp(options.port),
    })
  }
}

/** The schema has checked that the fields of the chosen way to log in are there. */
const loginOf = (scope: Construct, options: ValidImportedDatabase): Login =>
  options.authentication === 'iam'
    ? iamLogin(scope, options.user as string, ...[options.resourceId ?? []].flat())
    : { secret: secretOf(scope, options) }

const secretOf = (scope: Construct, { secretArn, secretKeyArn }: ValidImportedDatabase): ISecret =>
  Secret.fromSecretAttributes(scope, 'Secret', {
    secretCompleteArn: secretArn,
    encryptionKey: secretKeyArn === undefined ? undefined : Key.fromKeyArn(scope, 'SecretKey', secretKeyArn),
  })

/**
 * EC2 refuses an endpoint with two subnets in one zone. With one subnet, an endpoint serves the subnet's
 * whole zone.
 */
const firstOfEachZone = (subnets: ISubnet[]): ISubnet[] =>
  subnets.filter(
    ({ availabilityZone }, at) =>
      subnets.findIndex((other) => other.availabilityZone === availabilityZone) === at,
  )

interface RdsDatabaseProps extends Omit<RdsOptions, 'rotateSecretEvery'> {
  /** Days after which the password of the role is changed. Default: never. */
  rotateSecretDays?: number
  /** Part of the name of the role that Viewkeeper works with. */
  environmentName: string
}

/**
 * A server of the user's own app as Viewkeeper's database. Environments on one server have a role each: every deploy sets
 * the password of its role, and would lock the others out.
 */
export class RdsDatabase extends Construct implements Database {
  readonly host: string
  readonly port: number
  readonly databaseName: string
  readonly login: Login
  readonly admin?: Login
  readonly rotation?: SecretRotationOptions
  readonly connectionLimit?: number
  readonly certificateAuthority?: string
  readonly vpc: IVpc
  readonly subnets: ISubnet[]
  readonly endpointSubnets: ISubnet[]
  readonly connections: Connections

  constructor(scope: Construct, id: string, props: RdsDatabaseProps) {
    super(scope, id)
    const { database, vpc, authentication = 'secret', rotateSecretDays } = props
    const refuse: Refuse = (problem) => refuseProps(scope.node.path, [problem])
    insistOnPostgres(database, refuse)
    const endpoint = isCluster(database) ? database.clusterEndpoint : database.instanceEndpoint
    this.host = endpoint.hostname
    this.port = endpoint.port
    this.databaseName = props.databaseName
    this.certificateAuthority = props.certificateAuthority
    this.connections = database.connections
    const role = `viewkeeper_app_${props.environmentName.replaceAll('-', '_')}`
    const adminSecret = adminSecretOf(props, refuse)
    this.admin = adminSecret && { secret: adminSecret }
    this.connectionLimit = props.connectionLimit
    exportTo(Stack.of(this), database)
    if (authentication === 'iam')
      // Not the role of the secret: a member of rds_iam cannot log in with its password, as running functions still do.
      this.login = iamLoginOf(database, props.loginUser ?? role.replace('_app_', '_iam_'), refuse)
    else {
      const secret = props.loginSecret ?? roleSecret(this, { role, rotateSecretDays })
      this.login = { secret }
      if (rotateSecretDays !== undefined) this.rotation = { secret, everyDays: rotateSecretDays }
    }
    this.vpc = vpc
    this.subnets = vpc.selectSubnets(props.vpcSubnets).subnets
    this.endpointSubnets = props.addSecretsManagerEndpoint ? firstOfEachZone(this.subnets) : []
    this.insistOnSubnets(refuse)
    const { securityGroups } = this.connections
    if (securityGroups.length === 0)
      refuse(
        `database: ${database.node.path} has no security group that could let the functions in; import it with securityGroups`,
      )
    // A function reaches Secrets Manager when the NAT of its subnet is there, or an endpoint that the app adds later on.
    const waysOut = this.subnets.map(({ internetConnectivityEstablished }) => internetConnectivityEstablished)
    Dependable.implement(this, {
      get dependencyRoots() {
        const endpoints = vpc.node.children.filter((each) => each instanceof InterfaceVpcEndpoint)
        return [database, ...securityGroups, ...waysOut, ...endpoints].flatMap(
          (each) => Dependable.of(each).dependencyRoots,
        )
      },
    })
  }

  private insistOnSubnets(refuse: Refuse) {
    const { vpc, subnets } = this
    if (subnets.some((subnet) => vpc.publicSubnets.includes(subnet)))
      refuse('vpcSubnets: must be private, because Lambda gives a function no public address; name others')
    const readsSecrets = 'secret' in this.login || this.admin !== undefined
    const isIsolated = subnets.some((subnet) => vpc.isolatedSubnets.includes(subnet))
    if (readsSecrets && isIsolated && this.endpointSubnets.length === 0)
      Annotations.of(this).addWarningV2(
        'viewkeeper:way-to-secrets-manager',
        'The subnets of the functions are isolated, and the functions read secrets. Set addSecretsManagerEndpoint, or ' +
          'acknowledge this warning if the VPC has an endpoint of Secrets Manager.',
      )
  }
}

/** Refuses the props of the construct, with one line. */
type Refuse = (problem: string) => never

const isCluster = (database: object): database is IDatabaseCluster => 'clusterIdentifier' in database

function insistOnPostgres({ engine }: IDatabaseInstance | IDatabaseCluster, refuse: Refuse): void {
  if (engine !== undefined && !engine.engineType.includes('postgres'))
    refuse(`database: must be a PostgreSQL, and its engine is ${engine.engineType}`)
}

/** The administrator's secret. Undefined: the role that Viewkeeper works with exists. */
function adminSecretOf({ database, ...props }: RdsDatabaseProps, refuse: Refuse): ISecret | undefined {
  const major = Number(database.engine?.engineVersion?.majorVersion)
  if (props.adminSecret && props.authentication === 'iam' && major >= 16)
    return refuse(
      "adminSecret: with authentication: 'iam', PostgreSQL 16 and later would make the administrator a member of rds_iam, whose " +
        'passwords RDS refuses; make the role with `npx viewkeeper create-role --iam`, and name it as loginUser',
    )
  if (props.adminSecret) return props.adminSecret
  if (props.loginSecret || props.loginUser !== undefined) return undefined
  if (props.authentication === 'iam')
    return refuse(
      "loginUser: is required with authentication: 'iam': `npx viewkeeper create-role --iam` makes the role; or give " +
        'adminSecret, of an administrator whose password may stop working (docs/iam.md)',
    )
  const { secret } = database as { secret?: ISecret }
  if (secret) return secret
  return refuse(
    `adminSecret: is required, because ${database.node.path} has no secret of its own; or give loginSecret, if ` +
      '`npx viewkeeper create-role` has made the role',
  )
}

/**
 * Exports what either way to log in reads of a server of another stack. That stack is deployed first, and CloudFormation refuses
 * to remove an export that the deployed version of the other stack still reads.
 */
function exportTo(reader: Stack, database: IDatabaseInstance | IDatabaseCluster): void {
  // An imported server is in no stack, and may not know its resource id.
  if (!Resource.isOwnedResource(database)) return
  const { secret } = database as { secret?: ISecret }
  const resourceId = isCluster(database) ? database.clusterResourceIdentifier : database.instanceResourceId
  for (const value of [secret?.secretArn, resourceId]) {
    const reference = value === undefined ? undefined : Tokenization.reverseString(value).firstToken
    if (!Reference.isReference(reference)) continue
    const owner = Stack.of(reference.target)
    if (owner !== reader) owner.exportValue(value)
  }
}

function iamLoginOf(database: IDatabaseInstance | IDatabaseCluster, user: string, refuse: Refuse): IamLogin {
  if (!isCluster(database) && database.instanceResourceId === undefined)
    refuse(
      `authentication: 'iam' needs the resource id of ${database.node.path}; import it with instanceResourceId`,
    )
  switchIamOn(database, refuse)
  return { user, grantConnect: (grantee) => void database.grantConnect(grantee, user) }
}

/** Switches IAM on for a cluster of the app. CDK's `grantConnect` does so for an instance only. */
function switchIamOn(database: IDatabaseInstance | IDatabaseCluster, refuse: Refuse): void {
  const cluster = database.node.defaultChild
  if (!(cluster instanceof CfnDBCluster)) return
  if (cluster.enableIamDatabaseAuthentication === false)
    refuse(
      `authentication: 'iam' needs a server with IAM, and ${database.node.path} has iamAuthentication: false`,
    )
  cluster.enableIamDatabaseAuthentication = true
}
