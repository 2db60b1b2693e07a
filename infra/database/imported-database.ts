import { Annotations } from 'aws-cdk-lib'
import { Connections, type ISubnet, type IVpc, Peer, Port, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2'
import { Key } from 'aws-cdk-lib/aws-kms'
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import type { ImportedDatabaseOptions } from '../../src/config/options.ts'
import { parseImportedDatabase, type ValidImportedDatabase } from '../options.ts'
import type { Database } from './database.ts'
import { iamLogin, type Login } from './database.ts'

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
export const firstOfEachZone = (subnets: ISubnet[]): ISubnet[] =>
  subnets.filter(
    ({ availabilityZone }, at) =>
      subnets.findIndex((other) => other.availabilityZone === availabilityZone) === at,
  )
