import { ArnFormat, Fn, Stack, Token, Validations } from 'aws-cdk-lib'
import { type Metric, type MetricOptions, Stats } from 'aws-cdk-lib/aws-cloudwatch'
import type { OnEventOptions, Rule } from 'aws-cdk-lib/aws-events'
import { Grant, type IGrantable, ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns'
import { StringParameter } from 'aws-cdk-lib/aws-ssm'
import { Construct } from 'constructs'
import { type Address, metricNames, parameterName, perViewMetricNames } from '../src/api/lambda/aws-names.ts'
import { includes, type PolicyName, policyNames } from '../src/api/route.ts'
import { routes } from '../src/api/routes.ts'
import { alarmNames } from '../src/watch/plan/alarms.ts'
import { type EventType, eventTypes } from '../src/words/event.ts'
import { addRule, type OnViewOptions } from './functions/sending.ts'
import { ownMetric } from './monitoring/alarms.ts'
import { OptionsError, refuseProps } from './props.ts'

/** An environment of Viewkeeper, of this app or deployed by another one: what it can do in any app that knows it. */
export abstract class ViewkeeperBase extends Construct {
  /** The name of the environment. */
  abstract readonly environmentName: string
  /** The address of the HTTP API, with a slash at its end. */
  abstract readonly apiUrl: string
  /** The topic of the notices: what people are told, as JSON for chat and for programs. */
  abstract readonly notices: ITopic
  /** @internal */
  protected abstract readonly _granted: Granted
  /** @internal */
  protected abstract readonly _eventBus: string

  /** Allows a principal of the app to read views, runs, batches and metrics over HTTP. */
  grantRead(grantee: IGrantable): Grant {
    return this.grant('read', grantee)
  }

  /** Allows a principal of the app to refresh views over HTTP, besides reading. */
  grantRefresh(grantee: IGrantable): Grant {
    return this.grant('refresh', grantee)
  }

  /** Allows a principal of the app to cancel, pause and resume, and to set off alarms, besides refreshing. */
  grantOperate(grantee: IGrantable): Grant {
    return this.grant('operate', grantee)
  }

  /** Allows a principal of the app everything: also to create, drop and migrate views. */
  grantDefine(grantee: IGrantable): Grant {
    return this.grant('define', grantee)
  }

  private grant(name: PolicyName, grantee: IGrantable): Grant {
    const method = `grant${name[0]?.toUpperCase()}${name.slice(1)}`
    if (this._granted.apiArn === 'none' && name !== 'define')
      refuseProps(this.node.path, [
        `api: is 'none', so there is nothing that ${method} could allow; use grantInvoke of ` +
          'functions.refresh, and grantStartExecution of stateMachine',
      ])
    const here = Stack.of(this).account
    const { principalAccount: there = here } = grantee.grantPrincipal
    const isElsewhere = !Token.isUnresolved(here) && !Token.isUnresolved(there) && here !== there
    const granted = isElsewhere ? undefined : grantPolicy(name, this._granted, grantee)
    return granted?.success ? granted : refuseGrantee(this.node.path, method, grantee)
  }

  /** Calls the target when a run has made the data of a view fresh; of these views only, or of every view. */
  onViewRefreshed(id: string, options?: OnViewOptions): Rule {
    return this.onEvents(id, ['ViewRefreshed'], options)
  }

  /** Calls the target when a run of a view has failed. */
  onViewFailed(id: string, options?: OnViewOptions): Rule {
    return this.onEvents(id, ['ViewFailed'], options)
  }

  /** Calls the target when a batch has ended, well or not. */
  onBatchEnded(id: string, options?: OnEventOptions): Rule {
    return this.onEvents(id, ['BatchEnded'], options)
  }

  /** Calls the target when the monitor finds that a view is stale, missing, suspended, unable to keep its target lag, or set aside for long. */
  onIncidentOpened(id: string, options?: OnViewOptions): Rule {
    return this.onEvents(id, ['IncidentOpened'], options)
  }

  /** Calls the target when such an incident has another cause, or other kinds. */
  onIncidentChanged(id: string, options?: OnViewOptions): Rule {
    return this.onEvents(id, ['IncidentChanged'], options)
  }

  /** Calls the target when the view is well again. */
  onIncidentResolved(id: string, options?: OnViewOptions): Rule {
    return this.onEvents(id, ['IncidentResolved'], options)
  }

  /** Calls the target for every event of the environment. */
  onEvent(id: string, options?: OnViewOptions): Rule {
    return this.onEvents(id, eventTypes, options)
  }

  private onEvents(id: string, types: readonly EventType[], options?: OnViewOptions): Rule {
    return addRule(
      this,
      id,
      types,
      { environmentName: this.environmentName, eventBus: this._eventBus },
      options,
    )
  }

  /** How many runs have succeeded; of one view (`public.sales`) with `metricsPerView`. */
  metricSuccesses(options?: MetricOptions, view?: string): Metric {
    return ownMetric(this.environmentName, metricNames.runsSucceeded, Stats.SUM, options, view)
  }

  /** How many runs have failed or were lost; of one view (`public.sales`) with `metricsPerView`. */
  metricFailures(options?: MetricOptions, view?: string): Metric {
    return ownMetric(this.environmentName, metricNames.runsFailed, Stats.SUM, options, view)
  }

  /** How long the refreshes of a view took, in milliseconds; with `metricsPerView`. */
  metricRefreshDuration(view: string, options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, perViewMetricNames.refreshDuration, Stats.AVERAGE, options, view)
  }

  /** How many refreshes took more than twice as long as usual. */
  metricSlowRuns(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.runsSlow, Stats.SUM, options)
  }

  /** How many batches nobody has advanced. */
  metricLostBatches(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.batchesLost, Stats.SUM, options)
  }

  /** How many views fail: a run has failed, and none since has made the data fresh. */
  metricFailedViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsFailed, Stats.MAXIMUM, options)
  }

  /** How many views have data older than they may be. */
  metricStaleViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsStale, Stats.MAXIMUM, options)
  }

  /** How many authored views are not in the database. */
  metricMissingViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsMissing, Stats.MAXIMUM, options)
  }

  /** How many views are suspended: too many of their scheduled refreshes have failed in a row. */
  metricSuspendedViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsSuspended, Stats.MAXIMUM, options)
  }

  /** How many views have been set aside for more than an hour. */
  metricSetAsideViews(options?: MetricOptions): Metric {
    return ownMetric(this.environmentName, metricNames.viewsSetAside, Stats.MAXIMUM, options)
  }
}

/** An environment that is deployed already, in this account and region. CloudFormation reads its parameter at each deploy. */
export class ImportedViewkeeper extends ViewkeeperBase {
  readonly environmentName: string
  readonly apiUrl: string
  readonly notices: ITopic
  /** @internal */
  protected readonly _granted: Granted
  /** @internal */
  protected readonly _eventBus: string

  constructor(scope: Construct, id: string, environmentName: string) {
    super(scope, id)
    const json = StringParameter.valueForStringParameter(this, parameterName(environmentName))
    // CloudFormation reads no JSON. No address has a quotation mark in it.
    const said = (key: keyof Address) =>
      Fn.select(0, Fn.split('"', Fn.select(1, Fn.split(`"${key}":"`, json))))
    this.environmentName = environmentName
    this.apiUrl = said('apiUrl')
    this.notices = Topic.fromTopicArn(this, 'Notices', said('noticesTopicArn'))
    // Read only by who asks for events: an environment of an earlier version does not say it.
    this._eventBus = said('eventBus')
    this._granted = grantedOf(this, environmentName, {
      physicalName: said('physicalName'),
      apiArn: said('apiArn'),
      migrateArn: said('migrateArn'),
      mailTopicArn: said('mailTopicArn'),
    })
  }
}

/** The ARNs of what callers of an environment may be allowed. */
export interface Granted {
  /** Of the API's stage, without the routes: `arn:aws:execute-api:…:<api>/<stage>`; `none`: there is no API. */
  apiArn: string
  /** Of the parameter by which the command line finds the environment. */
  parameterArn: string
  /** Of the function that serves the command line. */
  migrateArn: string
  /** Of the topic of mails. */
  mailTopicArn: string
  /** Of the alarms of the environment. */
  alarmArns: string[]
}

/**
 * Each action that a policy allows, with its resources: its routes and those of the policies before it, and reading the
 * environment's parameter; `operate` also allows setting off alarms, and `define` what `migrate`, `drift`, `adopt` and `doctor` call.
 */
function allowedBy(name: PolicyName, granted: Granted): [action: string, resources: string[]][] {
  const { apiArn, parameterArn, migrateArn, mailTopicArn, alarmArns } = granted
  return [
    ...(apiArn === 'none'
      ? []
      : [['execute-api:Invoke', routesOf(name).map((route) => `${apiArn}/${route}`)] as [string, string[]]]),
    ['ssm:GetParameter', [parameterArn]],
    ...(includes(name, 'operate') ? [['cloudwatch:SetAlarmState', alarmArns] as [string, string[]]] : []),
    ...(includes(name, 'define')
      ? ([
          ['lambda:InvokeFunction', [migrateArn]],
          ['sns:ListSubscriptionsByTopic', [mailTopicArn]],
        ] as [string, string[]][])
      : []),
  ]
}

/** Allows a function, a role or a user of the app what the policy of this name allows. */
const grantPolicy = (name: PolicyName, granted: Granted, grantee: IGrantable): Grant =>
  allowedBy(name, granted)
    .map(([action, resourceArns]) => Grant.addToPrincipal({ grantee, actions: [action], resourceArns }))
    .reduce((all, each) => all.combine(each))

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

/** The ARN of the stage of an API in this account and region. */
export const stageArn = (
  scope: Construct,
  { apiId, stageName }: { apiId: string; stageName: string },
): string => Stack.of(scope).formatArn({ service: 'execute-api', resource: apiId, resourceName: stageName })

/** What callers may be allowed of the environment that has this address. */
export const grantedOf = (
  scope: Construct,
  environmentName: string,
  {
    physicalName,
    apiArn,
    migrateArn,
    mailTopicArn,
  }: Omit<Address, 'apiUrl' | 'noticesTopicArn' | 'eventBus'>,
): Granted => ({
  apiArn,
  migrateArn,
  mailTopicArn,
  parameterArn: Stack.of(scope).formatArn({
    service: 'ssm',
    resource: `parameter${parameterName(environmentName)}`,
  }),
  // Each by its name: what `viewkeeper-shop-` begins may be of environment `shop-eu`.
  alarmArns: alarmNames.map((name) =>
    Stack.of(scope).formatArn({
      service: 'cloudwatch',
      resource: 'alarm',
      resourceName: `viewkeeper-${physicalName}-${name}`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    }),
  ),
})

interface PoliciesProps {
  environmentName: string
  physicalName: string
  granted: Granted
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

  constructor(scope: Construct, id: string, props: PoliciesProps) {
    super(scope, id)
    const create = (name: PolicyName) => {
      const allowed = allowedBy(name, props.granted)
      const policy = new ManagedPolicy(this, name, {
        // The name belongs to the whole account, in all its regions.
        managedPolicyName: `viewkeeper-${props.physicalName}-${name}-${Stack.of(this).region}`,
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
