import { Stack, Validations } from 'aws-cdk-lib'
import { Grant, type IGrantable, ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import type { IStringParameter } from 'aws-cdk-lib/aws-ssm'
import { Construct } from 'constructs'
import { type PolicyName, policyNames, routes } from '../../src/edge/http/routes.ts'

export interface PoliciesProps {
  environmentName: string
  apiId: string
  /** The stage of the API that serves the routes. */
  stageName: string
  /** The function that serves the command line. */
  migrate: IFunction
  /** The parameter by which the command line finds the environment. */
  parameter: IStringParameter
}

const descriptions: Record<PolicyName, string> = {
  read: 'Reads views, runs, batches and metrics',
  refresh: 'Reads, and refreshes views',
  operate: 'Everything: reads, refreshes, creates, drops, cancels, pauses, and uses the command line',
}

/**
 * The managed policies of an environment, for the users and roles of callers. Each allows exactly its routes and
 * those of the policies before it, and reading the environment's parameter; `operate` also allows what
 * `npx viewkeeper --env` needs. A policy's name belongs to the whole account, in all its regions.
 */
export class Policies extends Construct {
  readonly all: Record<PolicyName, ManagedPolicy>
  private readonly props: PoliciesProps

  constructor(scope: Construct, id: string, props: PoliciesProps) {
    super(scope, id)
    this.props = props
    const create = (name: PolicyName) => {
      const allowed = this.allowedBy(name)
      const policy = new ManagedPolicy(this, name, {
        managedPolicyName: `viewkeeper-${props.environmentName}-${name}`,
        description: `Viewkeeper ${props.environmentName}. ${descriptions[name]}`,
        statements: allowed.map(([action, resources]) => allow(action, resources)),
      })
      acknowledgeWildcards(
        policy,
        allowed.flatMap(([, resources]) => resources),
      )
      return policy
    }
    this.all = Object.fromEntries(policyNames.map((name) => [name, create(name)])) as typeof this.all
  }

  /** Allows a function, a role or a user of the app what the policy of this name allows. */
  grant(name: PolicyName, grantee: IGrantable): Grant {
    const grants = this.allowedBy(name).map(([action, resourceArns]) =>
      Grant.addToPrincipal({ grantee, actions: [action], resourceArns }),
    )
    return grants.reduce((all, each) => all.combine(each))
  }

  /** Each action that a policy allows, with its resources. */
  private allowedBy(name: PolicyName): [action: string, resources: string[]][] {
    const { apiId, stageName, environmentName, migrate, parameter } = this.props
    const route = (each: string) => this.arn('execute-api', `${apiId}/${stageName}/${each}`)
    return [
      ['execute-api:Invoke', routesOf(name).map(route)],
      ['ssm:GetParameter', [parameter.parameterArn]],
      ...(name === 'operate'
        ? ([
            ['lambda:InvokeFunction', [migrate.functionArn]],
            ['cloudwatch:SetAlarmState', [this.arn('cloudwatch', `alarm:viewkeeper-${environmentName}-*`)]],
          ] as [string, string[]][])
        : []),
    ]
  }

  /** The ARN of something in this account and region, in the partition of the region. */
  private arn(service: string, rest: string): string {
    const { partition, region, account } = Stack.of(this)
    return `arn:${partition}:${service}:${region}:${account}:${rest}`
  }
}

const allow = (action: string, resources: string[]) => new PolicyStatement({ actions: [action], resources })

// The routes of a policy as execute-api names them, with * for what a caller fills in.
function routesOf(name: PolicyName): string[] {
  const included: readonly PolicyName[] = policyNames.slice(0, policyNames.indexOf(name) + 1)
  return Object.values(routes)
    .filter(({ policy }) => included.includes(policy))
    .map(({ method, path }) => `${method}${path.replaceAll(/\{\w+\}/g, '*')}`)
}

function acknowledgeWildcards(policy: ManagedPolicy, arns: string[]): void {
  for (const arn of arns.filter((each) => each.includes('*')))
    Validations.of(policy).acknowledge({
      id: `AwsSolutions-IAM5[Resource::${flat(Stack.of(policy).resolve(arn))}]`,
      reason: 'A route has the name of any view in its path; the alarms are those of this environment.',
    })
}

/** An ARN as cdk-nag writes it, with references in angle brackets. */
const flat = (value: string | { Ref: string } | { 'Fn::Join': [string, unknown[]] }): string =>
  typeof value === 'string'
    ? value
    : 'Ref' in value
      ? `<${value.Ref}>`
      : value['Fn::Join'][1].map((part) => flat(part as string)).join('')
