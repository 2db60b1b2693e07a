import { Annotations } from 'aws-cdk-lib'
import { Connections, type ISubnet, type IVpc, Port, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2'
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import type { ImportedDatabaseOptions } from '../environment/database.ts'
import type { Database } from './database.ts'

/** A database that exists already. The stack adds only one rule, to its security group. */
export class ImportedDatabase extends Construct implements Database {
  readonly host: string
  readonly port: number
  readonly databaseName: string
  readonly secret: ISecret
  readonly certificateAuthority?: string
  readonly vpc: IVpc
  readonly subnets: ISubnet[]
  readonly endpointSubnets: ISubnet[]
  readonly connections: Connections
  private readonly secretKeyArn?: string

  constructor(scope: Construct, id: string, options: ImportedDatabaseOptions) {
    super(scope, id)
    this.host = options.endpoint
    this.port = options.port
    this.databaseName = options.name
    this.certificateAuthority = options.certificateAuthority
    this.secret = Secret.fromSecretCompleteArn(this, 'Secret', options.secretArn)
    this.secretKeyArn = options.secretKeyArn
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
    this.connections = new Connections({
      securityGroups: [SecurityGroup.fromSecurityGroupId(this, 'SecurityGroup', options.securityGroupId)],
      defaultPort: Port.tcp(options.port),
    })
  }

  grantRead(grantee: IGrantable): void {
    this.secret.grantRead(grantee)
    if (this.secretKeyArn === undefined) return
    // CDK's grant would change the key's own policy, which is impossible for an imported key.
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({
        actions: ['kms:Decrypt'],
        resources: [this.secretKeyArn],
        conditions: {
          StringEquals: { 'kms:ViaService': secretsManagerHosts(this.secretKeyArn) },
        },
      }),
    )
  }
}

/**
 * The names by which KMS may know Secrets Manager in the region of a key. Addresses in China end
 * in `.cn`; the policy allows both forms there.
 */
function secretsManagerHosts(keyArn: string): string | string[] {
  const [, partition, , region] = keyArn.split(':')
  const host = `secretsmanager.${region}.amazonaws.com`
  return partition === 'aws-cn' ? [host, `${host}.cn`] : host
}

/**
 * EC2 refuses an endpoint with two subnets in one zone. With one subnet, an endpoint serves the subnet's
 * whole zone.
 */
export const firstOfEachZone = (subnets: ISubnet[]): ISubnet[] =>
  subnets.filter(
    ({ availabilityZone }, at) =>
      subnets.findIndex((other) => other.availabilityZone === availabilityZone) === at,
  )
