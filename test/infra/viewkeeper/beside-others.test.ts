import { App, Duration, RemovalPolicies, Size, Stack } from 'aws-cdk-lib'
import { DomainName } from 'aws-cdk-lib/aws-apigatewayv2'
import { Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Key } from 'aws-cdk-lib/aws-kms'
import { Architecture } from 'aws-cdk-lib/aws-lambda'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { describe, expect, test } from 'vitest'
import { changeAlarms } from '../../../docs/examples/own-alarms.ts'
import { encryptWith } from '../../../docs/examples/own-key.ts'
import type { ViewkeeperProps } from '../../../infra/props.ts'
import { Viewkeeper } from '../../../infra/viewkeeper.ts'
import { metricDimensions } from '../../../src/api/lambda/aws-names.ts'
import { policyNames } from '../../../src/api/route.ts'
import { eachCase } from '../../support/deep.ts'
import { instanceIn, ownStack, viewkeeperOn } from '../support/own-app.ts'
import { everyFunction, type Properties, type Resource, Synthesized } from '../support/synth.ts'

// What a user of aws-cdk-lib expects of a construct.

function onInstance(more: Partial<ViewkeeperProps> = {}) {
  const { stack, vpc } = ownStack()
  const viewkeeper = viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc }, more)
  return { stack, vpc, viewkeeper }
}

describe('connections', () => {
  const { stack, vpc, viewkeeper } = onInstance()
  const proxy = new SecurityGroup(stack, 'Proxy', { vpc })
  proxy.connections.allowFrom(viewkeeper, Port.tcp(6432), 'The functions')
  const synthesized = new Synthesized(stack)

  test('are those of the functions', () => {
    expect(viewkeeper.securityGroups).toEqual(viewkeeper.connections.securityGroups)
    const groups = stack.resolve(viewkeeper.securityGroups.map(({ securityGroupId }) => securityGroupId))
    expect(synthesized.fn('refresh')[1].Properties.VpcConfig.SecurityGroupIds).toEqual(groups)
  })

  test('let the functions go elsewhere, too', () => {
    const toProxy = synthesized
      .properties('AWS::EC2::SecurityGroupIngress')
      .filter(({ FromPort }) => FromPort === 6432)
    expect(toProxy).toMatchObject([
      { SourceSecurityGroupId: stack.resolve(viewkeeper.securityGroups[0]!.securityGroupId) },
    ])
  })
})

test('memorySize is the memory of every function', () => {
  const { stack } = onInstance({ memorySize: 1024 })
  const sizes = new Synthesized(stack).properties('AWS::Lambda::Function').map(({ MemorySize }) => MemorySize)
  expect(sizes).toHaveLength(everyFunction.length)
  expect(new Set(sizes)).toEqual(new Set([1024]))
})

test('architecture is the processor of every function', () => {
  const { stack } = onInstance({ architecture: Architecture.X86_64 })
  const all = new Synthesized(stack).properties('AWS::Lambda::Function')
  expect(all).toHaveLength(everyFunction.length)
  for (const { Architectures } of all) expect(Architectures).toEqual(['x86_64'])
})

describe('what an app retains with RemovalPolicies of CDK', () => {
  const types = ['AWS::Logs::LogGroup', 'AWS::SQS::Queue', 'AWS::SecretsManager::Secret']
  const policies = (areRetained: boolean) => {
    const { stack, viewkeeper } = onInstance()
    if (areRetained) RemovalPolicies.of(viewkeeper).retain({ applyToResourceTypes: types })
    const synthesized = new Synthesized(stack)
    return types.map((type) => {
      const ours = synthesized
        .resources(type)
        .filter(([, { Properties }]) => /viewkeeper/.test(JSON.stringify(Properties)))
      expect(ours.length).toBeGreaterThan(0)
      return [...new Set(ours.map(([, { DeletionPolicy }]) => DeletionPolicy))]
    })
  }

  test('stays of logs, dead letters and the secret of the role, which else go', () => {
    expect(policies(false)).toEqual([['Delete'], ['Delete'], ['Delete']])
    expect(policies(true)).toEqual([['Retain'], ['Retain'], ['Retain']])
  })
})

describe('a domain of the app', () => {
  const domainIn = (scope: Stack) =>
    DomainName.fromDomainNameAttributes(scope, 'Domain', {
      name: 'views.example.com',
      regionalDomainName: 'd-1.execute-api.us-east-1.amazonaws.com',
      regionalHostedZoneId: 'Z1',
    })

  eachCase(
    [
      [undefined, '/'],
      ['shop', '/shop/'],
    ],
    { quick: 1 },
  )('leads to the API, and is the address that people and programs find (key %s)', (mappingKey, path) => {
    const { stack: own, vpc } = ownStack()
    const apiDomain = { domainName: domainIn(own), ...(mappingKey === undefined ? {} : { mappingKey }) }
    const views = viewkeeperOn(own, { database: instanceIn(own, vpc), vpc }, { apiDomain })
    const url = `https://views.example.com${path}`
    expect(own.resolve(views.apiUrl)).toBe(url)
    const synthesized = new Synthesized(own)
    const [, { Properties }] = synthesized.one('AWS::ApiGatewayV2::ApiMapping')
    expect(Properties).toMatchObject({ DomainName: 'views.example.com', Stage: '$default' })
    expect(JSON.stringify(synthesized.one('AWS::SSM::Parameter')[1].Properties.Value)).toContain(url)
    // Nobody gets past the domain, and what stands before it.
    const [, { Properties: api }] = synthesized.one('AWS::ApiGatewayV2::Api')
    expect(api.DisableExecuteApiEndpoint).toBe(true)
  })

  test('is the only way to switch the address of API Gateway off', () => {
    const [, { Properties }] = new Synthesized(onInstance().stack).one('AWS::ApiGatewayV2::Api')
    expect(Properties.DisableExecuteApiEndpoint ?? false).toBe(false)
  })
})

describe('without an API', () => {
  const { stack, viewkeeper } = onInstance({ api: false })
  const role = new Role(stack, 'Caller', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
  const synthesized = new Synthesized(stack)

  test('nothing of API Gateway is there: no address, no log of requests, no alarm, no permission', () => {
    const types = Object.values(synthesized.template.toJSON().Resources as Record<string, Resource>)
    expect(types.filter(({ Type }) => Type.startsWith('AWS::ApiGateway'))).toEqual([])
    const text = JSON.stringify(synthesized.template.toJSON())
    expect(text).not.toContain('execute-api')
    expect(text).not.toContain('apigateway.amazonaws.com')
    expect(text).not.toContain('/aws/vendedlogs/viewkeeper/test/api')
    expect(Object.keys(viewkeeper.alarms)).not.toContain('api-errors')
    expect(Object.keys(viewkeeper.alarms)).toContain('silent-monitor')
    expect(() => viewkeeper.apiUrl).toThrow('api: there is none, so there is no apiUrl')
  })

  test('every function is there, and the parameter says that there is no API', () => {
    expect(synthesized.functions()).toEqual(everyFunction)
    const [, { Properties }] = synthesized.one('AWS::SSM::Parameter')
    expect(Properties.Value['Fn::Join'][1][0]).toBe('none,none')
  })

  test.each(['Read', 'Refresh', 'Operate'] as const)('grant%s is refused: it would allow nothing', (name) => {
    expect(() => viewkeeper[`grant${name}`](role)).toThrow(`there is nothing that grant${name} could allow`)
  })

  test('grantDefine allows what calls migrate', () => {
    const own = onInstance({ api: false })
    const define = new Role(own.stack, 'Define', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    own.viewkeeper.grantDefine(define).assertSuccess()
    const [, { Properties }] = new Synthesized(own.stack).one('AWS::IAM::Policy', ({ Roles }) =>
      Roles.some(
        (used: object) => JSON.stringify(used) === JSON.stringify(own.stack.resolve(define.roleName)),
      ),
    )
    const actions = Properties.PolicyDocument.Statement.map(({ Action }: Properties) => Action)
    expect(actions).toEqual([
      'ssm:GetParameter',
      'cloudwatch:SetAlarmState',
      'lambda:InvokeFunction',
      'sns:ListSubscriptionsByTopic',
    ])
  })
})

describe('metrics', () => {
  const { viewkeeper } = onInstance()

  test.each([
    ['Successes', 'RunsSucceeded', 'Sum'],
    ['Failures', 'RunsFailed', 'Sum'],
    ['SlowRuns', 'RunsSlow', 'Sum'],
    ['LostBatches', 'BatchesLost', 'Sum'],
    ['FailedViews', 'ViewsFailed', 'Maximum'],
    ['StaleViews', 'ViewsStale', 'Maximum'],
    ['MissingViews', 'ViewsMissing', 'Maximum'],
    ['SetAsideViews', 'ViewsSetAside', 'Maximum'],
  ] as const)('metric%s is %s', (name, metricName, statistic) => {
    const metric = viewkeeper[`metric${name}`]({ period: Duration.hours(1), label: 'mine' })
    expect(metric).toMatchObject({
      metricName,
      statistic,
      label: 'mine',
      period: Duration.hours(1),
      dimensions: metricDimensions('test'),
    })
  })

  test('of one view have its name', () => {
    const ofView = { ...metricDimensions('test'), view: 'public.sales' }
    expect(viewkeeper.metricFailures({}, 'public.sales')).toMatchObject({ dimensions: ofView })
    expect(viewkeeper.metricRefreshDuration('public.sales')).toMatchObject({
      metricName: 'RefreshDuration',
      statistic: 'Average',
      dimensions: ofView,
    })
  })
})

test('alarms are left out and changed as docs/cdk.md shows', () => {
  const { stack, viewkeeper } = onInstance()
  changeAlarms(viewkeeper)
  const named = (name: string) =>
    new Synthesized(stack)
      .resources('AWS::CloudWatch::Alarm')
      .find(([, { Properties }]) => Properties.AlarmName === `viewkeeper-test-${name}`)?.[1].Properties
  expect(named('dead-letters')).toBeUndefined()
  expect(named('api-errors')).toMatchObject({ Threshold: 5, EvaluationPeriods: 1 })
})

describe('a prop', () => {
  test('of logs is in days of CDK', () => {
    const { stack } = onInstance({ logRetention: RetentionDays.ONE_WEEK })
    for (const { LogGroupName, RetentionInDays } of new Synthesized(stack).properties('AWS::Logs::LogGroup'))
      if (JSON.stringify(LogGroupName)?.includes('/viewkeeper/')) expect(RetentionInDays).toBe(7)
  })

  test('of the exchange and of the room for shadows is told as programs are told it', () => {
    const { stack } = onInstance({ exchangeTogether: false, maxShadowSize: Size.gibibytes(2) })
    const [, { Properties }] = new Synthesized(stack).fn('batch')
    expect(Properties.Environment.Variables).toMatchObject({
      BATCH_EXCHANGE: 'each',
      MAX_SHADOW_BYTES: String(2 * 2 ** 30),
    })
  })
})

describe('a key, as docs/cdk.md shows', () => {
  const { stack, vpc } = ownStack()
  const key = new Key(stack, 'Key')
  const more = { refreshOnDeploy: true }
  encryptWith(viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc }, more), key)
  const synthesized = new Synthesized(stack)
  const arn = stack.resolve(key.keyArn)

  test.each([
    ['AWS::Logs::LogGroup', 'KmsKeyId', 13],
    ['AWS::SNS::Topic', 'KmsMasterKeyId', 2],
    ['AWS::SQS::Queue', 'KmsMasterKeyId', 1],
  ])('encrypts each %s', (type, field, least) => {
    const all = synthesized
      .properties(type)
      // The stack's own function of triggers writes it, for all environments of the stack.
      .filter(({ LogGroupName }) => !String(LogGroupName).endsWith('/migrate-on-deploy'))
      .map((properties) => properties[field])
    expect(all.length).toBeGreaterThanOrEqual(least)
    expect(new Set(all.map((each) => JSON.stringify(each)))).toEqual(new Set([JSON.stringify(arn)]))
    if (type === 'AWS::SQS::Queue')
      expect(synthesized.one(type)[1].Properties).not.toHaveProperty('SqsManagedSseEnabled')
  })

  test("encrypts the secret of the role, and leaves the server's own alone", () => {
    const ofRole = ({ Description }: Properties) => String(Description).startsWith('Login and password')
    expect(synthesized.one('AWS::SecretsManager::Secret', ofRole)[1].Properties.KmsKeyId).toEqual(arn)
    const [, { Properties: other }] = synthesized.one('AWS::SecretsManager::Secret', (each) => !ofRole(each))
    expect(other).not.toHaveProperty('KmsKeyId')
  })

  test('is used by the functions for the secret of the role, and for no other secret by anybody', () => {
    expect(synthesized.permissions('refresh')).toContainEqual(
      expect.objectContaining({ action: 'kms:Decrypt', resource: arn }),
    )
  })

  test('lets in CloudWatch and SNS of this account, and callers of a service that may use what the key encrypts', () => {
    const { Statement } = synthesized.one('AWS::KMS::Key')[1].Properties.KeyPolicy
    const region = { Ref: 'AWS::Region' }
    const host = (service: string) => ({ 'Fn::Join': ['', [`${service}.`, region, '.amazonaws.com']] })
    const use = ['kms:Decrypt', 'kms:GenerateDataKey*']
    const topicsOfAccount = {
      'Fn::Join': [
        '',
        ['arn:', { Ref: 'AWS::Partition' }, ':sns:', region, ':', { Ref: 'AWS::AccountId' }, ':*'],
      ],
    }
    // CDK's own statements about the secret are for what policies of IAM allow.
    const root = {
      AWS: {
        'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':iam::', { Ref: 'AWS::AccountId' }, ':root']],
      },
    }
    const others = Statement.filter(
      ({ Principal }: Properties) => JSON.stringify(Principal) !== JSON.stringify(root),
    )
    expect(others).toMatchObject([
      { Principal: { Service: host('logs') }, Condition: { ArnLike: {} } },
      {
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Action: use,
        Condition: {
          StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
          ArnLike: { 'kms:EncryptionContext:aws:sns:topicArn': topicsOfAccount },
        },
      },
      {
        Principal: { Service: 'sns.amazonaws.com' },
        Action: use,
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      },
      {
        Principal: { AWS: '*' },
        Condition: {
          StringEquals: {
            'kms:CallerAccount': { Ref: 'AWS::AccountId' },
            'kms:ViaService': ['sns', 'sqs'].map(host),
          },
        },
      },
    ])
  })
})

describe('an environment that another app has deployed', () => {
  const deployed = onInstance()
  const [, { Properties: parameter }] = new Synthesized(deployed.stack).one('AWS::SSM::Parameter')
  const stack = new Stack(new App(), 'Reports')
  const views = Viewkeeper.fromEnvironmentName(stack, 'Views', 'test')

  /** What CloudFormation makes of a value of this stack, once the other app is deployed. */
  function deploy(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(deploy)
    if (typeof value !== 'object' || value === null) return value
    const [[name, given]] = Object.entries(value) as [[string, unknown]]
    const [first, second] = (Array.isArray(given) ? deploy(given) : []) as [string, unknown]
    if (name === 'Fn::Join') return (second as string[]).join(first)
    if (name === 'Fn::Split') return (second as string).split(first)
    if (name === 'Fn::Select') return (second as string[])[Number(first)]
    if (name === 'Fn::GetAtt') return `<${first}.${second}>`
    if (name === 'Ref' && String(given).startsWith('SsmParameterValue'))
      return String(deploy(parameter.Value)).split(',')
    if (name === 'Ref') return `<${given}>`
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, deploy(each)]))
  }
  const here = (value: unknown) => deploy(stack.resolve(value))
  const there = (value: unknown) => deploy(deployed.stack.resolve(value))

  test('is found by its name: its address, and the notices, which the app may listen to', () => {
    expect(stack.resolve(views.apiUrl)).not.toBe(deployed.stack.resolve(deployed.viewkeeper.apiUrl))
    expect(here(views.apiUrl)).toBe(there(deployed.viewkeeper.apiUrl))
    expect(here(views.notices.topicArn)).toBe(there(deployed.viewkeeper.notices.topicArn))
    views.notices.addSubscription(new EmailSubscription('one@example.com'))
    const [, { Properties }] = new Synthesized(stack).one('AWS::SNS::Subscription')
    expect(deploy(Properties.TopicArn)).toBe(there(deployed.viewkeeper.notices.topicArn))
  })

  test.each(policyNames)('grants %s what the managed policy of the same name allows', (name) => {
    const own = new Stack(new App(), 'Reports')
    const role = new Role(own, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    const imported = Viewkeeper.fromEnvironmentName(own, 'Views', 'test')
    const grants = {
      read: () => imported.grantRead(role),
      refresh: () => imported.grantRefresh(role),
      operate: () => imported.grantOperate(role),
      define: () => imported.grantDefine(role),
    }
    grants[name]().assertSuccess()
    const policy = deployed.viewkeeper.policies[name]
    const [, { Properties }] = new Synthesized(own).one('AWS::IAM::Policy')
    const allowed = (document: unknown) => (deploy(document) as { Statement: unknown[] }).Statement
    expect(policy).toBeInstanceOf(ManagedPolicy)
    expect(allowed(Properties.PolicyDocument)).toEqual(
      allowed(deployed.stack.resolve((policy as ManagedPolicy).document)),
    )
  })

  test('has the same when its attributes are told', () => {
    const own = new Stack(new App(), 'Reports')
    const { apiUrl, environmentName } = deployed.viewkeeper
    const told = {
      environmentName,
      apiUrl: String(there(apiUrl)),
      apiArn: 'arn:aws:execute-api:eu-central-1:123456789012:abc/$default',
      migrateArn: 'arn:aws:lambda:eu-central-1:123456789012:function:migrate',
      mailTopicArn: 'arn:aws:sns:eu-central-1:123456789012:mail',
      noticesTopicArn: 'arn:aws:sns:eu-central-1:123456789012:notices',
    }
    const all = Viewkeeper.fromAttributes(own, 'Views', told)
    expect([all.node.path, all.environmentName, all.apiUrl, all.notices.topicArn]).toEqual([
      'Reports/Views',
      'test',
      told.apiUrl,
      told.noticesTopicArn,
    ])
    const role = new Role(own, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    all.grantRefresh(role).assertSuccess()
    all.onViewRefreshed('Export')
    const { apiUrl: _, apiArn: __, ...without } = told
    const silent = Viewkeeper.fromAttributes(own, 'Silent', without)
    expect(() => silent.apiUrl).toThrow('api: there is none')
    expect(() => silent.grantRead(role)).toThrow('there is nothing that grantRead could allow')
    const made = new Synthesized(own)
    const [, { Properties }] = made.one('AWS::IAM::Policy')
    expect(JSON.stringify(Properties.PolicyDocument)).toContain(`${told.apiArn}/POST/views/*/refresh`)
    expect(made.one('AWS::Events::Rule')[1].Properties.EventBusName).toBe('default')
  })

  test('has its metrics', () => {
    expect(views.metricStaleViews()).toMatchObject({ dimensions: metricDimensions('test') })
  })
})
