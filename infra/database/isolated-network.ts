import { RemovalPolicy, Stack } from 'aws-cdk-lib'
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
import { subnetPrefix } from '../environment/ranges.ts'

export interface IsolatedNetworkProps {
  /** The addresses of the network, `10.0.0.0/16`. */
  cidr: string
  logRetentionDays: RetentionDays
}

/** A network in the zones of its stack, without any way to or from the internet. */
export class IsolatedNetwork extends Construct {
  readonly vpc: Vpc
  readonly subnets: ISubnet[]

  constructor(scope: Construct, id: string, props: IsolatedNetworkProps) {
    super(scope, id)
    this.vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr(props.cidr),
      // RDS requires two zones, also for a single server. The stack has no more than it wants.
      maxAzs: Stack.of(this).availabilityZones.length,
      natGateways: 0,
      subnetConfiguration: [
        {
          name: 'isolated',
          subnetType: SubnetType.PRIVATE_ISOLATED,
          cidrMask: subnetPrefix(props.cidr),
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
