import { Stack, Validations } from 'aws-cdk-lib'
import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import { type PolicyName, policyNames } from '../../src/api/route.ts'
import { allowedBy, type Granted } from './granted.ts'

export interface PoliciesProps {
  environmentName: string
  granted: Granted
}

const descriptions: Record<PolicyName, string> = {
  read: 'Reads views, runs, batches and metrics',
  refresh: 'Reads, and refreshes views',
  operate: 'Reads, refreshes, cancels, pauses, and sets off alarms',
  define: 'Everything: also creates, drops and migrates views',
}

/**
 * The managed policies of an environment, for the users and roles of callers. A policy's name belongs to the whole account, in
 * all its regions.
 */
export class Policies extends Construct {
  readonly all: Record<PolicyName, ManagedPolicy>

  constructor(scope: Construct, id: string, props: PoliciesProps) {
    super(scope, id)
    const create = (name: PolicyName) => {
      const allowed = allowedBy(name, props.granted)
      const policy = new ManagedPolicy(this, name, {
        managedPolicyName: `viewkeeper-${props.environmentName}-${name}`,
        // IAM cannot change it, and CloudFormation cannot replace a policy with a fixed name: it never changes.
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
}

const allow = (action: string, resources: string[]) => new PolicyStatement({ actions: [action], resources })

function acknowledgeWildcards(policy: ManagedPolicy, arns: string[]): void {
  for (const arn of arns.filter((each) => each.includes('*')))
    Validations.of(policy).acknowledge({
      id: `AwsSolutions-IAM5[Resource::${flat(Stack.of(policy).resolve(arn))}]`,
      reason: 'A route has the name of any view in its path.',
    })
}

/** An ARN as cdk-nag writes it, with references in angle brackets. */
const flat = (value: string | { Ref: string } | { 'Fn::Join': [string, unknown[]] }): string =>
  typeof value === 'string'
    ? value
    : 'Ref' in value
      ? `<${value.Ref}>`
      : value['Fn::Join'][1].map((part) => flat(part as string)).join('')
