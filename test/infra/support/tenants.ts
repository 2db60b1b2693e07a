import { Stack } from 'aws-cdk-lib'
import { SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2'
import { DatabaseInstance } from 'aws-cdk-lib/aws-rds'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Topic } from 'aws-cdk-lib/aws-sns'
import type { ViewkeeperRdsProps } from '../../../infra/props.ts'
import { ownApp, viewkeeperOn } from './own-app.ts'
import { Synthesized } from './synth.ts'

/** Viewkeeper on a server that was there before, in a network that was, so that the stack has nothing else. */
function tenant(more: (stack: Stack) => Partial<ViewkeeperRdsProps>): Synthesized {
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
  viewkeeperOn(stack, { database, vpc }, { adminSecret, schedules: {}, ...more(stack) })
  return new Synthesized(stack)
}

function shared({ node }: Stack) {
  const stack = new Stack(node.root as never, 'Shared')
  return { topics: { mail: new Topic(stack, 'Mail'), notices: new Topic(stack, 'Notices') } }
}

/** A tenant of a fleet, with more and more that it does without. */
export const tenants = (): Record<string, Synthesized> => ({
  alone: tenant(() => ({})),
  'in a fleet': tenant((stack) => ({ ...shared(stack), dashboard: false })),
  '… with IAM': tenant((stack) => ({ ...shared(stack), dashboard: false, authentication: 'iam' })),
  '… without a monitor': tenant((stack) => ({
    ...shared(stack),
    dashboard: false,
    authentication: 'iam',
    monitorEveryMinutes: false,
  })),
})
