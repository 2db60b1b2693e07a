import { RemovalPolicy } from 'aws-cdk-lib'
import {
  FlowLogDestination,
  FlowLogTrafficType,
  IpAddresses,
  type ISubnet,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'

export interface IsolatedNetworkProps {
  logRetentionDays: RetentionDays
}

/** A network in the zones of its stack, without any way to or from the internet. */
export class IsolatedNetwork extends Construct {
  readonly vpc: Vpc
  readonly subnets: ISubnet[]

  constructor(scope: Construct, id: string, props: IsolatedNetworkProps) {
    super(scope, id)
    this.vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr('10.0.0.0/16'),
      // RDS requires two zones, also for a single server.
      maxAzs: 2,
      natGateways: 0,
      // The group that AWS gives each network lets everything in it talk to everything. Nothing here uses it.
      restrictDefaultSecurityGroup: true,
      subnetConfiguration: [
        {
          name: 'isolated',
          subnetType: SubnetType.PRIVATE_ISOLATED,
          cidrMask: 24,
        },
      ],
    })
    this.subnets = this.vpc.isolatedSubnets
    const logGroup = new LogGroup(this, 'RejectedTraffic', {
      retention: props.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.vpc.addFlowLog('Rejected', {
      destination: FlowLogDestination.toCloudWatchLogs(logGroup),
      trafficType: FlowLogTrafficType.REJECT,
    })
  }
}
