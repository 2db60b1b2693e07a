import { ArnFormat, Stack, Token, Validations } from 'aws-cdk-lib'
import { Grant, type IGrantable, ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import { parameterName, policyName } from '../src/api/lambda/aws-names.ts'
import { includes, type PolicyName, policyNames } from '../src/api/route.ts'
import { routes } from '../src/api/routes.ts'
import { alarmNames } from '../src/watch/plan/alarms.ts'
import type { ViewkeeperAttributes } from './interface.ts'
import { OptionsError, refuseProps } from './props.ts'

/**
 * Each action that a policy allows, with its resources: its routes and those of the policies before it, and reading the
 * environment's parameter; `operate` also allows setting off alarms, and `define` what `migrate`, `drift`, `adopt` and `doctor` call.
 */
function allowedBy(
  scope: Construct,
  name: PolicyName,
  { environmentName, physicalName, apiArn, migrateArn, mailTopicArn }: ViewkeeperAttributes,
): [action: string, resources: string[]][] {
  const arnOf = (service: string, resource: string, resourceName?: string) =>
    Stack.of(scope).formatArn({
      service,
      resource,
      ...(resourceName && { resourceName, arnFormat: ArnFormat.COLON_RESOURCE_NAME }),
    })
  // Each by its name: what `viewkeeper-shop-` begins may be of environment `shop-eu`.
  const alarms = alarmNames.map((alarm) =>
    arnOf('cloudwatch', 'alarm', `viewkeeper-${physicalName ?? environmentName}-${alarm}`),
  )
  const allowed: [isAllowed: boolean, action: string, resources: string[]][] = [
    [apiArn !== undefined, 'execute-api:Invoke', routesOf(name).map((route) => `${apiArn}/${route}`)],
    [true, 'ssm:GetParameter', [arnOf('ssm', `parameter${parameterName(environmentName)}`)]],
    [includes(name, 'operate'), 'cloudwatch:SetAlarmState', alarms],
    [includes(name, 'define'), 'lambda:InvokeFunction', [migrateArn]],
    [includes(name, 'define'), 'sns:ListSubscriptionsByTopic', [mailTopicArn]],
  ]
  return allowed.flatMap(([isAllowed, ...each]) => (isAllowed ? [each] : []))
}

/** Allows a function, a role or a user of the app what the policy of this name allows, or refuses to. */
export function grantTo(
  scope: Construct,
  name: PolicyName,
  said: ViewkeeperAttributes,
  grantee: IGrantable,
): Grant {
  const method = `grant${name[0]?.toUpperCase()}${name.slice(1)}`
  if (said.apiArn === undefined && name !== 'define')
    refuseProps(scope.node.path, [
      `api: there is none (or fromAttributes has no apiArn), so there is nothing that ${method} could allow; use grantInvoke of ` +
        'functions.refresh, and grantStartExecution of stateMachine',
    ])
  const here = Stack.of(scope).account
  const { principalAccount: there = here } = grantee.grantPrincipal
  const isElsewhere = !Token.isUnresolved(here) && !Token.isUnresolved(there) && here !== there
  if (isElsewhere) return refuseGrantee(scope.node.path, method, grantee)
  const granted = allowedBy(scope, name, said)
    .map(([action, resourceArns]) => Grant.addToPrincipal({ grantee, actions: [action], resourceArns }))
    .reduce((all, each) => all.combine(each))
  return granted.success ? granted : refuseGrantee(scope.node.path, method, grantee)
}

/**
 * Refuses somebody whom no policy of this app can allow anything: CDK would grant nothing, and not say so. An HTTP API has no policy of
 * its own, so a caller of another account needs a role of this one.
 */
function refuseGrantee(path: string, method: string, grantee: IGrantable): never {
  const { roleArn, arn = roleArn } = grantee as { roleArn?: string; arn?: string }
  const { principalAccount: account } = grantee.grantPrincipal
  const isKnown = (text: string | undefined) =>
    text !== undefined && text !== '*' && !Token.isUnresolved(text)
  const accountPrincipal = isKnown(account) ? `new AccountPrincipal('${account}')` : 'principal'
  const who = isKnown(arn) ? `new ArnPrincipal('${arn}')` : accountPrincipal
  throw new OptionsError(
    `${method} of Viewkeeper ${path} would allow nothing: the API takes roles and users of its own account, which have policies. ` +
      'Make a role there that the caller may assume:\n' +
      `  const caller = new Role(this, 'ViewsCaller', { assumedBy: ${who} })\n` +
      `  views.${method}(caller)`,
  )
}

// The routes of a policy as execute-api names them, with * for what a caller fills in.
function routesOf(name: PolicyName): string[] {
  return Object.values(routes)
    .filter(({ policy }) => includes(name, policy))
    .map(({ method, path }) => `${method}${path.replaceAll(/\{\w+\}/g, '*')}`)
}

const descriptions: Record<PolicyName, string> = {
  read: 'Reads views, runs, batches and metrics',
  refresh: 'Reads, and refreshes views',
  operate: 'Reads, refreshes, cancels, pauses, and sets off alarms',
  define: 'Everything: also creates, drops and migrates views',
}

/** The managed policies of an environment, for the users and roles of callers. */
export class Policies extends Construct {
  readonly all: Record<PolicyName, ManagedPolicy>

  constructor(scope: Construct, id: string, said: ViewkeeperAttributes) {
    super(scope, id)
    const { environmentName, physicalName = environmentName } = said
    const create = (name: PolicyName) => {
      const allowed = allowedBy(this, name, said)
      const policy = new ManagedPolicy(this, name, {
        // The name belongs to the whole account, in all its regions.
        managedPolicyName: policyName(physicalName, name, Stack.of(this).region),
        // IAM cannot change it, and CloudFormation cannot replace a policy with a fixed name: it never changes.
        description: `Viewkeeper ${environmentName}. ${descriptions[name]}`,
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
