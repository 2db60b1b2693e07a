import { ArnFormat, Stack, Validations } from 'aws-cdk-lib'
import { Grant, type IGrantable, ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import { includes, type PolicyName, policyNames } from '../../src/api/route.ts'
import { routes } from '../../src/api/routes.ts'
import { type Address, parameterName } from '../../src/sql/parameter.ts'
import { alarmNames, databaseAlarmNames } from '../../src/watch/plan/alarms.ts'

/** The ARNs of what callers of an environment may be allowed. */
export interface Granted {
  /** Of the API's stage, without the routes: `arn:aws:execute-api:…:<api>/<stage>`. */
  apiArn: string
  /** Of the parameter by which the command line finds the environment. */
  parameterArn: string
  /** Of the function that serves the command line. */
  migrateArn: string
  /** Of the alarms of the environment, also those of a created database. */
  alarmArns: string[]
}

/**
 * Each action that a policy allows, with its resources: its routes and those of the policies before it, and reading the
 * environment's parameter; `operate` also allows setting off alarms, and `define` what `migrate`, `drift`, `adopt` and `doctor` call.
 */
function allowedBy(name: PolicyName, granted: Granted): [action: string, resources: string[]][] {
  const { apiArn, parameterArn, migrateArn, alarmArns } = granted
  return [
    ['execute-api:Invoke', routesOf(name).map((route) => `${apiArn}/${route}`)],
    ['ssm:GetParameter', [parameterArn]],
    ...(includes(name, 'operate') ? [['cloudwatch:SetAlarmState', alarmArns] as [string, string[]]] : []),
    ...(includes(name, 'define') ? [['lambda:InvokeFunction', [migrateArn]] as [string, string[]]] : []),
  ]
}

/** Allows a function, a role or a user of the app what the policy of this name allows. */
export const grantPolicy = (name: PolicyName, granted: Granted, grantee: IGrantable): Grant =>
  allowedBy(name, granted)
    .map(([action, resourceArns]) => Grant.addToPrincipal({ grantee, actions: [action], resourceArns }))
    .reduce((all, each) => all.combine(each))

// The routes of a policy as execute-api names them, with * for what a caller fills in.
function routesOf(name: PolicyName): string[] {
  return Object.values(routes)
    .filter(({ policy }) => includes(name, policy))
    .map(({ method, path }) => `${method}${path.replaceAll(/\{\w+\}/g, '*')}`)
}

/** The ARN of the stage of an API in this account and region. */
export const stageArn = (
  scope: Construct,
  { apiId, stageName }: { apiId: string; stageName: string },
): string => Stack.of(scope).formatArn({ service: 'execute-api', resource: apiId, resourceName: stageName })

/** What callers may be allowed of the environment that has this address. */
export const grantedOf = (
  scope: Construct,
  environmentName: string,
  { apiArn, migrateArn }: Pick<Address, 'apiArn' | 'migrateArn'>,
): Granted => ({
  apiArn,
  migrateArn,
  parameterArn: Stack.of(scope).formatArn({
    service: 'ssm',
    resource: `parameter${parameterName(environmentName)}`,
  }),
  // Each by its name: what `viewkeeper-shop-` begins may be of environment `shop-eu`.
  alarmArns: [...alarmNames, ...databaseAlarmNames].map((name) =>
    Stack.of(scope).formatArn({
      service: 'cloudwatch',
      resource: 'alarm',
      resourceName: `viewkeeper-${environmentName}-${name}`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    }),
  ),
})

interface PoliciesProps {
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
