import { readFileSync } from 'node:fs'
import { App, type Stack } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { ViewkeeperStack, type ViewkeeperStackProps } from '../../../infra/viewkeeper-stack.ts'
import type { EnvironmentOptions } from '../../../src/config/options.ts'
import { created, imported, importedWithoutNat, parse, scheduledViews, throwaway } from './environments.ts'

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

/**
 * A stack named `viewkeeper-test`. The files of its functions are put together and copied into the app only in stacks that
 * a pattern names; that takes time and room on the disk.
 */
export function createStack(
  options: EnvironmentOptions,
  bundledStacks: string[] = [],
  more: Partial<Pick<ViewkeeperStackProps, 'context' | 'migrationsFolder' | 'scheduledViews'>> = {},
): ViewkeeperStack {
  const app = new App({
    context: {
      'aws:cdk:bundling-stacks': bundledStacks,
      'aws:cdk:disable-asset-staging': bundledStacks.length === 0,
      ...context,
    },
  })
  const props = { environmentName: 'test', environment: parse(options), scheduledViews: [], ...more }
  return new ViewkeeperStack(app, props)
}

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
      .filter((name) => name !== 'refresh-on-deploy')
      .sort()
  }

  /** The permissions of a function's role: one entry for each action and resource. */
  permissions(name: string): Permission[] {
    const role = this.fn(name)[1].Properties.Role['Fn::GetAtt'][0]
    const within = this.resources('AWS::IAM::Role')
      .filter(([id]) => id === role)
      .flatMap(([, { Properties }]) => Properties.Policies)
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

/** The stack beside each of these that has the created database. */
export const databases = {
  created: databaseOf(stacks.created),
  throwaway: databaseOf(stacks.throwaway),
}

/** The stack of the database that an environment creates. */
export function databaseOf({ databaseStack }: ViewkeeperStack): Synthesized {
  if (databaseStack === undefined) throw new Error('the environment creates no database')
  return new Synthesized(databaseStack)
}

/** The value that a stack imports from the stack of its created database: `{ Ref }` or `{ 'Fn::GetAtt' }` of it. */
export function importOf(database: Synthesized, value: object): object {
  const [, { Export }] = outputOf(database, value, ({ Export }) => Export !== undefined)
  return { 'Fn::ImportValue': Export?.Name }
}

/** The same for what may leave that stack while it is read: an output without an export. */
export function weaklyReadOf(database: Synthesized, value: object): object {
  const [OutputName] = outputOf(database, value, (_, name) => name.startsWith('PublishOutput'))
  const { stackName } = database.stack
  return { 'Fn::GetStackOutput': { StackName: stackName, Region: { Ref: 'AWS::Region' }, OutputName } }
}

interface Output {
  Value: unknown
  Export?: { Name: string }
}

function outputOf(
  { template }: Synthesized,
  value: object,
  isMeant: (output: Output, name: string) => boolean,
): [string, Output] {
  const outputs = Object.entries(template.findOutputs('*') as Record<string, Output>)
  const found = outputs.find(
    ([name, output]) => JSON.stringify(output.Value) === JSON.stringify(value) && isMeant(output, name),
  )
  if (found === undefined) throw new Error(`no such output has ${JSON.stringify(value)}`)
  return found
}
