import { Stack, Token } from 'aws-cdk-lib'
import {
  Connections,
  type IConnectable,
  type ISecurityGroup,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
} from 'aws-cdk-lib/aws-ec2'
import { Construct } from 'constructs'

/** The network that the environments of a fleet share. */
export interface FleetNetworkProps {
  /** The network of the functions, which is also prop `vpc` of each environment. */
  vpc: IVpc
  /**
   * The port of the servers that the app makes: CDK does not know it before the deploy. The ports of imported servers it knows.
   * @default 5432
   */
  databasePort?: number
}

/**
 * One security group for the functions of many environments in one network: prop `network` of each. Lambda makes a network
 * interface for each group and subnet, so the environments share these, too, and a server has one rule for all of them.
 */
export class FleetNetwork extends Construct implements IConnectable {
  /** The network of the functions. */
  readonly vpc: IVpc
  /** The security group of all functions. */
  readonly securityGroup: SecurityGroup
  /** The network connections of all functions. */
  readonly connections: Connections

  constructor(scope: Construct, id: string, { vpc, databasePort = 5432 }: FleetNetworkProps) {
    super(scope, id)
    this.vpc = vpc
    this.securityGroup = new SecurityGroup(this, 'SecurityGroup', {
      vpc,
      // EC2 cannot change a description: a deploy with another one would replace the group.
      description: 'The functions of several environments of Viewkeeper; nothing comes in',
      allowAllOutbound: false,
    })
    // A rule for each server would use up the rules of the group. The groups of the servers decide who comes in.
    this.securityGroup.addEgressRule(Peer.anyIpv4(), Port.tcp(databasePort), 'Databases')
    this.securityGroup.addEgressRule(Peer.anyIpv4(), Port.HTTPS, 'Secrets Manager')
    this.connections = new Connections({ securityGroups: [this.securityGroup] })
  }

  /**
   * Lets the functions in to a server. A server of the app has the rule in its own stack, which may be one that needs this network.
   * Several stacks may import one server by the id of its group, and EC2 takes a rule once: such a rule stands here.
   */
  letInto({ connections }: IConnectable): void {
    const { securityGroups, defaultPort } = connections
    if (defaultPort === undefined) return
    if (defaultPort.canInlineRule) this.securityGroup.addEgressRule(Peer.anyIpv4(), defaultPort, 'Databases')
    for (const group of securityGroups) {
      const once = Token.isUnresolved(group.securityGroupId) ? group : this.imported(group.securityGroupId)
      once.addIngressRule(this.securityGroup, defaultPort, 'The functions of Viewkeeper')
    }
  }

  private imported(id: string): ISecurityGroup {
    const before = this.node.tryFindChild(id) as ISecurityGroup | undefined
    return before ?? SecurityGroup.fromSecurityGroupId(this, id, id)
  }
}

/**
 * Why an app with this network and this server could not be synthesized: the server's stack, which needs the network for its
 * rule, is needed by it.
 */
export function whyNotTogether(network: FleetNetwork, { connections }: IConnectable): string | undefined {
  const own = Stack.of(network)
  const needed = stacksBelow(own, Token.isUnresolved(network.vpc.vpcId) ? [Stack.of(network.vpc)] : [])
  const server = connections.securityGroups
    .filter((group) => Token.isUnresolved(group.securityGroupId))
    .map((group) => Stack.of(group))
    .find((stack) => stack !== own && needed.has(stack))
  if (server === undefined) return undefined
  return [
    `${network.node.path} is in stack ${own.node.path}, which needs stack ${server.node.path} of the server; but the rule that lets the`,
    `functions in stands in ${server.node.path}, and needs the network. Make the FleetNetwork in ${server.node.path}, or in a stack that`,
    'needs nothing of it',
  ].join(' ')
}

/** What a stack needs, as far as the app has said so by now: other stacks, and theirs. */
function stacksBelow(stack: Stack, more: Stack[], found = new Set<Stack>()): Set<Stack> {
  for (const each of [...stack.dependencies, ...more])
    if (!found.has(each)) stacksBelow(each, [], found.add(each))
  return found
}
