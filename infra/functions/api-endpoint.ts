import {
  type IInterfaceVpcEndpoint,
  InterfaceVpcEndpoint,
  InterfaceVpcEndpointAwsService,
  SecurityGroup,
} from 'aws-cdk-lib/aws-ec2'
import { Construct } from 'constructs'
import type { Database } from '../database/database.ts'
import { firstOfEachZone } from '../database/imported-database.ts'

export interface ApiEndpointProps {
  /** The stack makes the endpoint in the network of this database. */
  database: Pick<Database, 'vpc' | 'subnets' | 'endpointSubnets'>
  /** An endpoint that exists already, `vpce-…`. Default: the stack makes one. */
  endpointId: string | undefined
}

/** The endpoint of API Gateway through which the callers of a private API come. */
export class ApiEndpoint extends Construct {
  readonly endpoint: IInterfaceVpcEndpoint
  /** Nobody comes in before you add rules for your callers, port 443. Undefined: the endpoint existed already. */
  readonly securityGroup?: SecurityGroup

  constructor(scope: Construct, id: string, { database, endpointId }: ApiEndpointProps) {
    super(scope, id)
    if (endpointId !== undefined) {
      this.endpoint = InterfaceVpcEndpoint.fromInterfaceVpcEndpointAttributes(this, 'Endpoint', {
        vpcEndpointId: endpointId,
        port: 443,
      })
      return
    }
    const { vpc, subnets, endpointSubnets } = database
    this.securityGroup = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'The private API of Viewkeeper; add a rule for each caller, port 443',
      allowAllOutbound: false,
    })
    this.endpoint = new InterfaceVpcEndpoint(this, 'Endpoint', {
      vpc,
      service: InterfaceVpcEndpointAwsService.APIGATEWAY,
      subnets: { subnets: endpointSubnets.length > 0 ? endpointSubnets : firstOfEachZone(subnets) },
      securityGroups: [this.securityGroup],
      open: false,
      // With private DNS, this VPC would reach no public API of API Gateway any more.
      privateDnsEnabled: false,
    })
  }
}
