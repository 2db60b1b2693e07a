import { Annotations, Aspects, Token } from 'aws-cdk-lib'
import type { ISecurityGroup, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2'
import type { Construct, IConstruct } from 'constructs'
import type { ViewTimes } from '../src/catalog/plan/scheduled.ts'
import type { Database } from './database/database.ts'
import { mostAtOnce } from './schedules/coinciding.ts'

/** The share of a quota from which `cdk synth` warns: other apps use the same groups and networks. */
const warned = 0.8

/** What an account has unless AWS has raised it. */
const quotas = {
  /** https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html */
  rulesOfGroup: 60,
  /** 500 in newer accounts. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
  interfacesInVpc: 250,
  /** 1,000 once AWS has raised it. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
  functionsAtOnce: 10,
}

/** Warns if so many batches begin at one moment that a new account has no function left for the monitor and a caller. */
export function watchConcurrency(scope: Construct, batches: readonly ViewTimes[]): void {
  const { count, at } = mostAtOnce(batches)
  if (at === null || count < quotas.functionsAtOnce * warned) return
  Annotations.of(scope).addWarningV2(
    'viewkeeper:many-batches',
    `${count} schedules begin a batch at one moment (${at.toISOString().slice(11, 16)} UTC), and each batch holds a function. ` +
      `An account runs ${quotas.functionsAtOnce} at once until AWS raises that: the others wait, and are tried again for an hour. ` +
      'Give views the same schedule, which is one batch, or other minutes; or acknowledge this warning if the account runs more.',
  )
}

/** What the environments of each app use of a quota, by what the quota is of. */
const used = new WeakMap<IConstruct, Map<string, Set<string>>>()

/** Warns if many environments of an app come near the rules of a server's group, or the interfaces of a network. */
export function watchQuotas(
  scope: Construct,
  { vpc, subnets, connections }: Pick<Database, 'vpc' | 'subnets' | 'connections'>,
  functions: ISecurityGroup,
): void {
  const { addr } = functions.node
  for (const group of connections.securityGroups)
    use(scope, 'many-rules', keyOf(group.securityGroupId, group), [addr], quotas.rulesOfGroup, (count) =>
      [
        `The functions of this app come in to ${group.node.path} by ${count} rules, one for each security group of functions.`,
        `A group takes ${quotas.rulesOfGroup}, unless AWS has given the account more.`,
      ].join(' '),
    )
  const interfaces = subnets.map((subnet) => `${addr} ${keyOf(subnet.subnetId, subnet)}`)
  use(scope, 'many-interfaces', keyOf(vpc.vpcId, vpc), interfaces, quotas.interfacesInVpc, (count) =>
    [
      `The functions of this app use ${count} network interfaces in ${vpc.node.path}, one for each of their security groups and subnets.`,
      `Lambda takes 500 in a VPC, and ${quotas.interfacesInVpc} in older accounts.`,
    ].join(' '),
  )
}

/** Adds to what is used. The first environment that uses it warns, once all of them are there. */
function use(
  scope: Construct,
  warning: string,
  of: string,
  each: string[],
  quota: number,
  words: (count: number) => string,
): void {
  const ofApp = used.get(scope.node.root) ?? new Map<string, Set<string>>()
  used.set(scope.node.root, ofApp)
  const key = `${warning} ${of}`
  const all = ofApp.get(key) ?? new Set()
  for (const one of each) all.add(one)
  if (ofApp.has(key)) return
  ofApp.set(key, all)
  Aspects.of(scope).add({
    visit(node) {
      if (node !== scope || all.size < quota * warned) return
      Annotations.of(scope).addWarningV2(
        `viewkeeper:${warning}`,
        `${words(all.size)} Let the environments share a FleetNetwork (prop network).`,
      )
    },
  })
}

/** The same thing may be imported into several stacks. */
const keyOf = (id: string, construct: ISubnet | IVpc | ISecurityGroup): string =>
  Token.isUnresolved(id) ? construct.node.addr : id
