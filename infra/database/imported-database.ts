import { Annotations, Stack } from 'aws-cdk-lib'
import { Connections, type ISubnet, type IVpc, Port, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2'
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct } from 'constructs'
import type { ImportedDatabaseOptions } from '../environment/database.ts'
import type { Database } from './database.ts'

/** A database that exists already; the stack adds nothing to it but one rule in its security group. */
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

  constructor(scope: Construct, id: string, settings: ImportedDatabaseOptions) {
    super(scope, id)
    this.host = settings.endpoint
    this.port = settings.port
    this.databaseName = settings.name
    this.certificateAuthority = settings.certificateAuthority
    this.secret = Secret.fromSecretCompleteArn(this, 'Secret', settings.secretArn)
    this.secretKeyArn = settings.secretKeyArn
    this.vpc = Vpc.fromVpcAttributes(this, 'Vpc', {
      vpcId: settings.vpc.id,
      availabilityZones: settings.vpc.availabilityZones,
      privateSubnetIds: settings.vpc.subnetIds,
    })
    this.subnets = this.vpc.privateSubnets
    // Nobody here asks for its route table.
    for (const subnet of this.subnets)
      Annotations.of(subnet).acknowledgeWarning('@aws-cdk/aws-ec2:noSubnetRouteTableId')
    this.endpointSubnets = settings.vpc.addSecretsManagerEndpoint ? firstOfEachZone(this.subnets) : []
    this.connections = new Connections({
      securityGroups: [SecurityGroup.fromSecurityGroupId(this, 'SecurityGroup', settings.securityGroupId)],
      defaultPort: Port.tcp(settings.port),
    })
  }

  grantRead(grantee: IGrantable): void {
    this.secret.grantRead(grantee)
    if (this.secretKeyArn === undefined) return
    // The grant of a secret with a key changes only the key's own policy, which it cannot for one that is imported.
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({
        actions: ['kms:Decrypt'],
        resources: [this.secretKeyArn],
        conditions: {
          StringEquals: { 'kms:ViaService': `secretsmanager.${Stack.of(this).region}.amazonaws.com` },
        },
      }),
    )
  }
}

/** EC2 refuses an endpoint with two subnets in one zone; it serves the whole zone from one. */
const firstOfEachZone = (subnets: ISubnet[]): ISubnet[] =>
  subnets.filter(
    ({ availabilityZone }, at) =>
      subnets.findIndex((other) => other.availabilityZone === availabilityZone) === at,
  )
