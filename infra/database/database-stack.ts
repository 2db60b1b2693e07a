import { CfnOutput, Fn, Stack, Tags } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import type { ValidCreatedDatabase } from '../environment/database.ts'
import type { Environment } from '../environment/environment.ts'
import { pinNames } from '../fixed-names.ts'
import { CreatedServer } from './created-database.ts'

export interface DatabaseStackProps {
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
