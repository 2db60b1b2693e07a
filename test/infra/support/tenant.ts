import { Stack } from 'aws-cdk-lib'
import { SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2'
import { DatabaseInstance } from 'aws-cdk-lib/aws-rds'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Topic } from 'aws-cdk-lib/aws-sns'
import { ownApp, viewkeeperOn } from './own-app.ts'
import { Synthesized } from './synth.ts'

/** A tenant of a fleet, on a server that was there before, in a network that was, so that the stack has nothing else. */
export function tenant(): Synthesized {
  const stack = new Stack(ownApp(), 'Tenant')
  const vpc = Vpc.fromVpcAttributes(stack, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['us-east-1a', 'us-east-1b'],
    privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
    privateSubnetRouteTableIds: ['rtb-0123456789abcdef0', 'rtb-0123456789abcdef1'],
  })
  const database = DatabaseInstance.fromDatabaseInstanceAttributes(stack, 'Db', {
    instanceIdentifier: 'shop',
    instanceEndpointAddress: 'shop.example.com',
    port: 5432,
    securityGroups: [SecurityGroup.fromSecurityGroupId(stack, 'DbGroup', 'sg-0123456789abcdef0')],
    instanceResourceId: 'db-ABCDEFGHIJKL01234',
  })
  const adminSecret = Secret.fromSecretNameV2(stack, 'Admin', 'shop')
  const shared = new Stack(stack.node.root as never, 'Shared')
  const topics = { mail: new Topic(shared, 'Mail'), notices: new Topic(shared, 'Notices') }
  viewkeeperOn(stack, { database, vpc }, { adminSecret, topics, dashboard: false })
  return new Synthesized(stack)
}
