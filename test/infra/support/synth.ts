import { readFileSync } from 'node:fs'
import { App, Stack } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { SecurityGroup, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2'
import { Key } from 'aws-cdk-lib/aws-kms'
import { DatabaseInstance } from 'aws-cdk-lib/aws-rds'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { RegionInfo } from 'aws-cdk-lib/region-info'
import { DatabaseServer } from '../../../infra/database/server.ts'
import { Viewkeeper } from '../../../infra/viewkeeper.ts'
import {
  created,
  imported,
  importedWithoutNat,
  scheduledViews,
  secretArn,
  type TestEnvironment,
  throwaway,
} from './environments.ts'
import { instanceIn } from './own-app.ts'

/** The names of all functions. */
export const functionNames = [
  'api',
  'batch',
  'create',
  'drop',
  'migrate',
  'monitor',
  'prune',
  'refresh',
  'send',
  'start-batch',
]

/** These, and the one that CloudFormation calls. */
export const everyFunction = [...functionNames, 'deploy'].sort()

/** What cdk.json tells CDK. */
const { context } = JSON.parse(readFileSync(new URL('../../../cdk.json', import.meta.url), 'utf8'))

/** The functions outside the network of the database. */
export const outside = ['send', 'start-batch']

/** The stack of an environment, `viewkeeper-test`. */
export class EnvironmentStack extends Stack {
  readonly viewkeeper: Viewkeeper

  constructor(app: App, { server, env, ...given }: TestEnvironment) {
    super(app, 'viewkeeper-test', { env })
    const { database, ...on } = server === 'made' ? madeServer(app, env) : foundServer(this, env)
    this.viewkeeper = new Viewkeeper(this, 'Viewkeeper', {
      environmentName: 'test',
      database: DatabaseServer.fromInstance(database),
      databaseName: 'app',
      scheduledViews: [],
      ...on,
      ...given,
    })
  }
}

/** A server of the app, in a network without a way out. */
function madeServer(app: App, env: TestEnvironment['env']) {
  const shop = new Stack(app, 'shop', { env })
  const vpc = new Vpc(shop, 'Vpc', {
    availabilityZones: ['a', 'b'],
    natGateways: 0,
    subnetConfiguration: [{ name: 'isolated', subnetType: SubnetType.PRIVATE_ISOLATED }],
  })
  return { vpc, database: instanceIn(shop, vpc, 'Db', { vpcSubnets: { subnets: vpc.isolatedSubnets } }) }
}

/** A server that is there, whose secret a customer key encrypts. */
function foundServer(stack: Stack, { region } = imported.env) {
  const { partition } = RegionInfo.get(region)
  const here = (arn: string) => arn.replace('arn:aws:', `arn:${partition}:`).replace('eu-central-1', region)
  return {
    vpc: Vpc.fromVpcAttributes(stack, 'Vpc', {
      vpcId: 'vpc-0123456789abcdef0',
      availabilityZones: ['a', 'b'],
      privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
      privateSubnetRouteTableIds: ['rtb-0123456789abcdef0', 'rtb-0123456789abcdef1'],
    }),
    database: DatabaseInstance.fromDatabaseInstanceAttributes(stack, 'Db', {
      instanceIdentifier: 'app',
      instanceEndpointAddress: 'db.example.com',
      port: 6432,
      securityGroups: [SecurityGroup.fromSecurityGroupId(stack, 'DbGroup', 'sg-0123456789abcdef0')],
    }),
    loginSecret: Secret.fromSecretAttributes(stack, 'Login', {
      secretCompleteArn: here(secretArn),
      encryptionKey: Key.fromKeyArn(stack, 'Key', here('arn:aws:kms:eu-central-1:123456789012:key/1234')),
    }),
  }
}

/**
 * The stack of an environment. The files of its functions are put together and copied into the app only in stacks that
 * a pattern names; that takes time and room on the disk.
 */
export const createStack = (
  options: TestEnvironment,
  bundledStacks: string[] = [],
  more: Partial<TestEnvironment> = {},
): EnvironmentStack =>
  new EnvironmentStack(
    new App({
      context: {
        'aws:cdk:bundling-stacks': bundledStacks,
        'aws:cdk:disable-asset-staging': bundledStacks.length === 0,
        ...context,
      },
    }),
    { ...options, ...more },
  )

const stacks = {
  created: createStack(created, [], { scheduledViews }),
  throwaway: createStack(throwaway, [], { scheduledViews }),
  imported: createStack(imported, [], { scheduledViews }),
  'imported without NAT': createStack(importedWithoutNat, [], { scheduledViews }),
}

/** A template, and methods that find resources in it. */
export class Synthesized {
  readonly template: Template

  readonly stack: Stack

  constructor(stack: Stack) {
    this.stack = stack
    this.template = Template.fromStack(stack)
  }

  /** Logical id and content of every resource of one type. */
  resources(type: string): [string, Resource][] {
    return Object.entries(this.template.findResources(type)) as [string, Resource][]
  }

  /** The properties of every resource of one type. */
  properties(type: string): Properties[] {
    return this.resources(type).map(([, { Properties }]) => Properties)
  }

  /** The only resource of a type whose properties satisfy a condition. */
  one(type: string, condition: (properties: Properties) => boolean = () => true): [string, Resource] {
    const found = this.resources(type).filter(([, { Properties }]) => condition(Properties))
    if (found.length !== 1) throw new Error(`${found.length} resources ${type} instead of one`)
    return found[0]!
  }

  /** The function of one file in `functions/`. */
  fn(name: string, environment = 'test'): [string, Resource] {
    const group = this.one(
      'AWS::Logs::LogGroup',
      (p) => p.LogGroupName === `/viewkeeper/${environment}/${name}`,
    )[0]
    return this.one('AWS::Lambda::Function', ({ LoggingConfig }) => LoggingConfig?.LogGroup.Ref === group)
  }

  /** The functions of an environment, by the log groups that are theirs; without CDK's own. */
  functions(environment = 'test'): string[] {
    const own = this.resources('AWS::Lambda::Function').map(
      ([, { Properties }]) => Properties.LoggingConfig.LogGroup.Ref,
    )
    return this.resources('AWS::Logs::LogGroup')
      .filter(([id]) => own.includes(id))
      .map(([, { Properties }]) => Properties.LogGroupName as string)
      .filter((name) => name.startsWith(`/viewkeeper/${environment}/`))
      .map((name) => name.slice(`/viewkeeper/${environment}/`.length))
      .sort()
  }

  /** The permissions of a function's role: one entry for each action and resource. */
  permissions(name: string): Permission[] {
    const role = this.fn(name)[1].Properties.Role['Fn::GetAtt'][0]
    const within = this.resources('AWS::IAM::Role')
      .filter(([id]) => id === role)
      .flatMap(([, { Properties }]) => Properties.Policies ?? [])
    const beside = this.properties('AWS::IAM::Policy').filter(({ Roles }) =>
      Roles.some((used: { Ref: string }) => used.Ref === role),
    )
    return [...within, ...beside]
      .flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
      .flatMap(({ Action, Resource, Condition }) =>
        [Action]
          .flat()
          .flatMap((action: string) =>
            [Resource].flat().map((resource) => ({ action, resource, condition: Condition })),
          ),
      )
  }
}

export interface Permission {
  action: string
  resource: unknown
  condition?: unknown
}

// biome-ignore lint/suspicious/noExplicitAny: a template is JSON without a type
export type Properties = Record<string, any>

export interface Resource {
  Type: string
  Properties: Properties
  DependsOn?: string[]
  DeletionPolicy?: string
  UpdateReplacePolicy?: string
}

/** One stack for each kind of environment, synthesized once for the tests of a file. */
export const kinds = {
  created: new Synthesized(stacks.created),
  throwaway: new Synthesized(stacks.throwaway),
  imported: new Synthesized(stacks.imported),
  'imported without NAT': new Synthesized(stacks['imported without NAT']),
}
