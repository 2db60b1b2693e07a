import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { Duration } from 'aws-cdk-lib'
import { type CfnRole, Role } from 'aws-cdk-lib/aws-iam'
import { ApplicationLogLevel } from 'aws-cdk-lib/aws-lambda'
import { describe, expect, test } from 'vitest'
import { readConfiguration } from '../../../src/api/lambda/configuration.ts'
import { imported, scheduledViews, secretArn } from '../support/environments.ts'
import { ownApp } from '../support/own-app.ts'
import {
  createStack,
  EnvironmentStack,
  everyFunction,
  functionNames,
  kinds,
  outside,
  Synthesized,
} from '../support/synth.ts'

const timeouts: Record<string, number> = {
  create: 900,
  refresh: 900,
  drop: 900,
  batch: 900,
  'start-batch': 29,
  api: 29,
  monitor: 60,
  send: 240,
  prune: 900,
  migrate: 840,
}
const inside = functionNames.filter((name) => !outside.includes(name))

test('every function of the list is deployed, and no other', () => {
  expect(Object.keys(timeouts).sort()).toEqual(functionNames)
  for (const stack of Object.values(kinds)) expect(stack.functions()).toEqual(everyFunction)
})

test('a production environment has at most 11 functions and 143 resources, with five schedules', () => {
  const { created } = kinds
  expect(created.resources('AWS::Scheduler::Schedule')).toHaveLength(5)
  expect(created.resources('AWS::Lambda::Function')).toHaveLength(11)
  expect(Object.keys(created.template.toJSON().Resources).length).toBeLessThanOrEqual(143)
})

test('roles that somebody else makes need what the report of CDK lists: it has what our own roles may do', () => {
  const app = ownApp()
  Role.customizeRoles(app)
  const { viewkeeper } = new EnvironmentStack(app, { ...imported, scheduledViews })
  const report: {
    roles: { roleConstructPath: string; identityPolicyStatements: { Action: string | string[] }[] }[]
  } = JSON.parse(readFileSync(join(app.synth().directory, 'iam-policy-report.json'), 'utf8'))
  const listed = report.roles.map(({ roleConstructPath, identityPolicyStatements }) => [
    roleConstructPath.replace(`${viewkeeper.node.path}/`, ''),
    actionsOf(identityPolicyStatements),
  ])
  const { stack } = kinds.imported
  const roles = stack.node.findAll().filter((each) => each instanceof Role)
  const ours = roles.map((role) => {
    const Ref = stack.getLogicalId(role.node.defaultChild as CfnRole)
    const within = kinds.imported.template.toJSON().Resources[Ref].Properties.Policies ?? []
    const beside = kinds.imported
      .properties('AWS::IAM::Policy')
      .filter(({ Roles }) => Roles.some((used: object) => isDeepStrictEqual(used, { Ref })))
    return [
      role.node.path.replace('viewkeeper-test/Viewkeeper/', ''),
      actionsOf([...within, ...beside].flatMap(({ PolicyDocument }) => PolicyDocument.Statement)),
    ]
  })
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(ours))
  expect(listed.length).toBeGreaterThan(12)
})

const actionsOf = (statements: { Action: string | string[] }[]) =>
  [...new Set(statements.flatMap(({ Action }) => Action))].sort()

describe.each(Object.entries(kinds))('%s', (kind, stack) => {
  test.each(Object.entries(timeouts))('%s runs on Node 24 and arm64 for at most %i s', (name, timeout) => {
    expect(stack.fn(name)[1].Properties).toMatchObject({
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Timeout: timeout,
    })
    expect(stack.fn(name)[1].Properties).not.toHaveProperty('ReservedConcurrentExecutions')
    expect(stack.fn(name)[1].Properties).not.toHaveProperty('TracingConfig')
  })

  test.each(everyFunction)('%s is found by its tags, whatever its name is', (name) => {
    expect(stack.fn(name)[1].Properties.Tags).toEqual(
      expect.arrayContaining([
        { Key: 'viewkeeper:environment', Value: 'test' },
        { Key: 'viewkeeper:function', Value: name },
      ]),
    )
    const [, { Properties }] = stack.one('AWS::StepFunctions::StateMachine')
    expect(Properties.Tags).toContainEqual({ Key: 'viewkeeper:environment', Value: 'test' })
  })

  test.each(Object.keys(timeouts))('%s logs into a group of its own', (name) => {
    const [group] = stack.one('AWS::Logs::LogGroup', (p) => p.LogGroupName === `/viewkeeper/test/${name}`)
    expect(stack.fn(name)[1].Properties.LoggingConfig).toEqual({ LogGroup: { Ref: group } })
  })

  test('every log group keeps its lines for a limited time', () => {
    const groups = stack.properties('AWS::Logs::LogGroup')
    expect(groups.length).toBeGreaterThan(5)
    for (const { RetentionInDays } of groups) expect(RetentionInDays).toBe(kind === 'created' ? 90 : 30)
  })

  test.each(['create', 'refresh', 'drop'])(
    '%s keeps the retries of Lambda, and an event that still fails is a dead letter',
    (name) => {
      const [queue] = stack.one('AWS::SQS::Queue')
      const [, { Properties }] = stack.one(
        'AWS::Lambda::EventInvokeConfig',
        (p) => p.FunctionName.Ref === stack.fn(name)[0] && p.Qualifier === '$LATEST',
      )
      expect(Properties).not.toHaveProperty('MaximumRetryAttempts')
      expect(Properties.MaximumEventAgeInSeconds).toBe(3600)
      expect(Properties.DestinationConfig.OnFailure.Destination).toEqual({ 'Fn::GetAtt': [queue, 'Arn'] })
    },
  )

  test.each([
    ['prune', 3600],
    ['send', 60],
  ])('%s is never called again for the same event, and an event waits %i s at most', (name, seconds) => {
    const [, { Properties }] = stack.one(
      'AWS::Lambda::EventInvokeConfig',
      (p) => p.FunctionName.Ref === stack.fn(name)[0],
    )
    expect(Properties).toMatchObject({ MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: seconds })
    expect(Properties.DestinationConfig?.OnFailure.Destination).toEqual(
      name === 'prune' ? { 'Fn::GetAtt': [stack.one('AWS::SQS::Queue')[0], 'Arn'] } : undefined,
    )
  })

  test('no other function takes asynchronous events', () => {
    const configured = stack
      .resources('AWS::Lambda::EventInvokeConfig')
      .map(([, { Properties }]) => Properties.FunctionName.Ref)
    expect(configured.sort()).toEqual(
      ['create', 'drop', 'prune', 'refresh', 'send'].map((name) => stack.fn(name)[0]).sort(),
    )
  })

  test('dead letters are kept for as long as a queue can, encrypted', () => {
    expect(stack.one('AWS::SQS::Queue')[1].Properties).toMatchObject({
      MessageRetentionPeriod: 14 * 24 * 3600,
      SqsManagedSseEnabled: true,
    })
  })
})

const variables = (kind: keyof typeof kinds, name: string) =>
  kinds[kind].fn(name)[1].Properties.Environment.Variables as Record<string, unknown>

test.each(inside)('%s is told where an imported database is, and its authority', (name) => {
  expect(variables('imported', name)).toMatchObject({
    VIEWKEEPER_ENVIRONMENT: 'test',
    DATABASE_HOST: 'db.example.com',
    DATABASE_PORT: '6432',
    DATABASE_NAME: 'app',
    DATABASE_SECRET_ARN: secretArn,
    DATABASE_CA_FILE: 'authority.pem',
    POWERTOOLS_SERVICE_NAME: 'viewkeeper',
    POWERTOOLS_LOG_LEVEL: 'INFO',
  })
})

test('a server of RDS is verified against the roots of RDS, unless there is an authority', () => {
  expect(variables('created', 'refresh')).not.toHaveProperty('DATABASE_CA_FILE')
})

test('start-batch is told the function and the state machine that it calls, and nothing of the database', () => {
  const read = variables('imported', 'start-batch')
  expect(read).toMatchObject({
    BATCH_FUNCTION: { Ref: kinds.imported.fn('batch')[0] },
    STATE_MACHINE_ARN: { Ref: kinds.imported.one('AWS::StepFunctions::StateMachine')[0] },
  })
  expect(variables('imported', 'batch')).toMatchObject({
    BATCH_CONCURRENCY: '2',
    BATCH_EXCHANGE: 'together',
  })
  expect(Object.keys(read).filter((name) => name.startsWith('DATABASE'))).toEqual([])
})

test('whatever says when a view is refreshed next, or what is due, is told how often somebody looks and how wide batches are', () => {
  const looksOf = (options: object) => {
    const stack = new Synthesized(createStack({ ...imported, ...options }))
    const told = functionNames.flatMap((name) => {
      const { Variables } = stack.fn(name)[1].Properties.Environment
      return 'SCHEDULES' in Variables ? [[name, readConfiguration(Variables).schedules.looks]] : []
    })
    return Object.fromEntries(told)
  }
  const seldom = { everySeconds: 300, concurrency: 4, followsLogs: false }
  expect(looksOf({ monitorInterval: Duration.minutes(5), batchConcurrency: 4 })).toEqual({
    api: seldom,
    batch: seldom,
    monitor: seldom,
  })
  for (const looks of Object.values(looksOf({ monitor: false })))
    expect(looks).toEqual({ everySeconds: null, concurrency: 2, followsLogs: false })
})

test('send is told the function that it asks, the topics of people and the bus, and nothing of the database', () => {
  const topic = (name: string) => ({
    Ref: kinds.imported.one('AWS::SNS::Topic', ({ TopicName }) => TopicName === `viewkeeper-test-${name}`)[0],
  })
  const read = variables('imported', 'send')
  expect(read).toMatchObject({
    VIEWKEEPER_ENVIRONMENT: 'test',
    MONITOR_FUNCTION: { Ref: kinds.imported.fn('monitor')[0] },
    MAIL_TOPIC_ARN: topic('mail'),
    NOTICES_TOPIC_ARN: topic('notices'),
    EVENT_BUS: 'default',
    MAILED: 'true',
  })
  expect(variables('throwaway', 'send')).toMatchObject({ MAILED: 'false' })
  expect(Object.keys(read).filter((name) => name.startsWith('DATABASE'))).toEqual([])
})

test('only migrate is told the folders of schema steps and migrations', () => {
  for (const name of Object.keys(timeouts)) {
    const { SCHEMA_FOLDER, MIGRATIONS_FOLDER } = variables('imported', name)
    expect([SCHEMA_FOLDER, MIGRATIONS_FOLDER]).toEqual(
      name === 'migrate' ? ['./schema/', './migrations/'] : [undefined, undefined],
    )
  }
})

test('the functions that create views are told who owns them, if the environment says so', () => {
  for (const name of Object.keys(timeouts)) {
    const creates = ['create', 'migrate'].includes(name)
    expect(variables('imported', name).VIEW_OWNER, name).toBe(creates ? 'app_owner' : undefined)
    expect(variables('created', name)).not.toHaveProperty('VIEW_OWNER')
  }
})

test('only migrate knows of the master user, and only on a database that the stack creates', () => {
  for (const name of Object.keys(timeouts)) {
    expect('DATABASE_ADMIN_SECRET_ARN' in variables('created', name)).toBe(name === 'migrate')
    expect('DATABASE_ADMIN_SECRET_ARN' in variables('imported', name)).toBe(false)
  }
})

test('everything carries the name of its environment as a tag', () => {
  for (const type of ['AWS::Lambda::Function', 'AWS::SQS::Queue', 'AWS::SNS::Topic'])
    for (const { Tags } of kinds.created.properties(type))
      expect(Tags).toContainEqual({ Key: 'viewkeeper:environment', Value: 'test' })
})

test('only a deploy without the migrations of views tells migrate to leave them out', () => {
  const stack = new Synthesized(createStack({ ...imported, viewMigrations: false }))
  for (const name of Object.keys(timeouts)) {
    const told = stack.fn(name)[1].Properties.Environment.Variables.VIEW_MIGRATIONS
    expect(told, name).toBe(name === 'migrate' ? 'false' : undefined)
    expect(variables('imported', name)).not.toHaveProperty('VIEW_MIGRATIONS')
  }
})

test('monitor, api and prune are told the options about schedules and history', () => {
  for (const name of ['monitor', 'api']) {
    expect(variables('created', name)).toMatchObject({
      SCHEDULES: JSON.stringify({ nightly: { at: '02:30', timeZone: 'Europe/Berlin' }, views: true }),
    })
    expect(variables('throwaway', name)).toMatchObject({
      SCHEDULES: JSON.stringify({ nightly: { at: '02:38', timeZone: 'Etc/UTC' }, views: true }),
    })
  }
  expect(variables('created', 'monitor')).toMatchObject({
    METRICS_PER_VIEW: 'true',
    TOLD: 'true',
    NEWEST_MIGRATION: expect.stringMatching(/^\d+$/),
  })
  expect(variables('throwaway', 'monitor')).toMatchObject({ TOLD: 'false' })
  expect(variables('imported', 'monitor')).toMatchObject({ METRICS_PER_VIEW: 'false' })
  expect(variables('created', 'prune')).toMatchObject({ RETENTION: '{"successes":500,"days":90}' })
})

test('the monitor, which writes what people are told, is told where mails lead to', () => {
  const links = { pageUrl: 'https://views.example', runbookUrl: 'https://docs.example/runbook.html' }
  const [, { Properties }] = new Synthesized(createStack({ ...imported, ...links })).fn('monitor')
  expect(Properties.Environment.Variables).toMatchObject({
    PAGE_URL: links.pageUrl,
    RUNBOOK_URL: links.runbookUrl,
  })
})

test('the lines that the dashboard reads are logged at every level', () => {
  const { DEBUG, WARN } = ApplicationLogLevel
  const levelOf = (logLevel: ApplicationLogLevel, name: string) =>
    new Synthesized(createStack({ ...imported, logLevel })).fn(name)[1].Properties.Environment.Variables
      .POWERTOOLS_LOG_LEVEL
  expect([levelOf(WARN, 'refresh'), levelOf(WARN, 'monitor'), levelOf(WARN, 'prune')]).toEqual([
    'WARN',
    'INFO',
    'INFO',
  ])
  expect(levelOf(DEBUG, 'monitor')).toBe('DEBUG')
})

test('concurrency is reserved for the functions in which callers wait, and bounds their waits', () => {
  const stack = new Synthesized(createStack({ ...imported, requestsPerSecond: 8, reservedConcurrency: 50 }))
  for (const name of functionNames) {
    const { ReservedConcurrentExecutions: reserved, Environment } = stack.fn(name)[1].Properties
    const waits = ['create', 'refresh', 'drop'].includes(name)
    expect([reserved, Environment.Variables.LONGEST_WAIT_SECONDS]).toEqual(
      waits ? [50, '6'] : [undefined, undefined],
    )
  }
})
