import { Stack, Validations } from 'aws-cdk-lib'
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import { Construct } from 'constructs'
import { type PolicyName, policyNames, routes } from '../../src/edge/http/routes.ts'

export interface PoliciesProps {
  environmentName: string
  apiId: string
  /** The stage of the API that serves the routes. */
  stageName: string
  /** The function that serves the command line. */
  migrate: IFunction
}

const descriptions: Record<PolicyName, string> = {
  read: 'Reads views, runs, batches and metrics',
  refresh: 'Reads, and refreshes views',
  operate: 'Everything: reads, refreshes, creates, drops, cancels, pauses, and uses the command line',
}

/**
 * The managed policies of an environment, for the users and roles of callers. Each allows exactly its routes and
 * those of the policies before it, and reading the stack's outputs; `operate` also allows what
 * `npx viewkeeper --env` needs. A policy's name belongs to the whole account, in all its regions.
 */
export class Policies extends Construct {
  readonly all: Record<PolicyName, ManagedPolicy>

  constructor(scope: Construct, id: string, props: PoliciesProps) {
    super(scope, id)
    const create = (name: PolicyName) => {
      const invoked = routesOf(name).map((route) =>
        this.arn('execute-api', `${props.apiId}/${props.stageName}/${route}`),
      )
      const stack = this.arn('cloudformation', `stack/${Stack.of(this).stackName}/*`)
      const alarms = this.arn('cloudwatch', `alarm:viewkeeper-${props.environmentName}-*`)
      const policy = new ManagedPolicy(this, name, {
        managedPolicyName: `viewkeeper-${props.environmentName}-${name}`,
        description: `Viewkeeper ${props.environmentName}. ${descriptions[name]}`,
        statements: [
          allow('execute-api:Invoke', invoked),
          allow('cloudformation:DescribeStacks', [stack]),
          ...(name === 'operate'
            ? [
                allow('lambda:InvokeFunction', [props.migrate.functionArn]),
                allow('cloudwatch:SetAlarmState', [alarms]),
              ]
            : []),
        ],
      })
      acknowledgeWildcards(policy, [...invoked, stack, alarms])
      return policy
    }
    this.all = Object.fromEntries(policyNames.map((name) => [name, create(name)])) as typeof this.all
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
      reason:
        'A route has the name of any view in its path; the stack and the alarms are those of this environment.',
    })
}

/** An ARN as cdk-nag writes it, with references in angle brackets. */
const flat = (value: string | { Ref: string } | { 'Fn::Join': [string, unknown[]] }): string =>
  typeof value === 'string'
    ? value
    : 'Ref' in value
      ? `<${value.Ref}>`
      : value['Fn::Join'][1].map((part) => flat(part as string)).join('')
