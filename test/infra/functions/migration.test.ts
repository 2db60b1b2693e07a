import { describe, expect, test } from 'vitest'
import { instanceIn, ownStack, viewkeeperOn } from '../support/own-app.ts'
import { functionNames, kinds, Synthesized } from '../support/synth.ts'

describe.each(Object.entries(kinds))('%s', (_, stack) => {
  const [id, call] = stack.one('Custom::ViewkeeperMigration')

  test('the function deploy calls migrate, and no other function; CloudFormation calls it for another version or database', () => {
    const [version, { Properties }] = stack.one('AWS::Lambda::Version')
    expect(Properties.FunctionName).toEqual({ Ref: stack.fn('migrate')[0] })
    expect(call.Properties).toEqual({
      ServiceToken: { 'Fn::GetAtt': [stack.fn('deploy')[0], 'Arn'] },
      ServiceTimeout: '960',
      Migrate: { Ref: version },
      Database: Object.fromEntries(
        Object.entries(stack.fn('migrate')[1].Properties.Environment.Variables).filter(([name]) =>
          name.startsWith('DATABASE_'),
        ),
      ),
    })
    expect(Object.keys(call.Properties.Database)).toEqual(
      expect.arrayContaining(['DATABASE_HOST', 'DATABASE_PORT', 'DATABASE_NAME', 'DATABASE_SECRET_ARN']),
    )
    const calls = stack.permissions('deploy').filter(({ action }) => !/^(logs|states):/.test(action))
    expect(calls).toEqual([
      { action: 'lambda:InvokeFunction', resource: { 'Fn::GetAtt': [stack.fn('migrate')[0], 'Arn'] } },
    ])
  })

  test('it waits longer than migrate lives, and CloudFormation waits longer than it does', () => {
    const { Timeout } = stack.fn('deploy')[1].Properties
    expect(Timeout).toBeGreaterThan(stack.fn('migrate')[1].Properties.Timeout)
    expect(Number(call.Properties.ServiceTimeout)).toBeGreaterThan(Timeout)
  })

  test('it is outside the network of the database, out of which no answer reaches CloudFormation', () => {
    expect(stack.fn('deploy')[1].Properties).not.toHaveProperty('VpcConfig')
  })

  test('its log group expires and goes with the stack', () => {
    const [group, logs] = stack.one(
      'AWS::Logs::LogGroup',
      ({ LogGroupName }) => LogGroupName === '/viewkeeper/test/deploy',
    )
    expect(stack.fn('deploy')[1].Properties.LoggingConfig).toEqual({ LogGroup: { Ref: group } })
    expect(logs).toMatchObject({
      Properties: { RetentionInDays: expect.any(Number) },
      DeletionPolicy: 'Delete',
    })
  })

  const others = functionNames.filter((name) => name !== 'migrate')
  test.each(others)('%s is deployed after the migration', (name) => {
    expect(stack.fn(name)[1].DependsOn).toContain(id)
  })

  test('routes, schedules and the state machine come after the migration', () => {
    const types = ['ApiGatewayV2::Route', 'Scheduler::Schedule', 'StepFunctions::StateMachine']
    const later = types.flatMap((type) => stack.resources(`AWS::${type}`))
    expect(later.length).toBeGreaterThan(7)
    for (const [, { DependsOn }] of later) expect(DependsOn).toContain(id)
  })

  test('the migration comes after the way to the database and to its secret', () => {
    const types = ['EC2::VPCEndpoint', 'EC2::SecurityGroupIngress', 'EC2::SecurityGroupEgress']
    const needed = types.flatMap((type) => stack.resources(`AWS::${type}`)).map(([name]) => name)
    expect(needed.length).toBeGreaterThan(1)
    expect(call.DependsOn).toEqual(expect.arrayContaining(needed))
  })
})

test('a server of the app that is replaced has migrate called: what changes then is a property of the call', () => {
  const { stack, vpc } = ownStack()
  viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc })
  const synthesized = new Synthesized(stack)
  const [server] = synthesized.one('AWS::RDS::DBInstance')
  const { Database } = synthesized.one('Custom::ViewkeeperMigration')[1].Properties
  expect(Database).toMatchObject({
    DATABASE_HOST: { 'Fn::GetAtt': [server, 'Endpoint.Address'] },
    DATABASE_PORT: { 'Fn::GetAtt': [server, 'Endpoint.Port'] },
    DATABASE_NAME: 'shop',
    DATABASE_SECRET_ARN: expect.anything(),
    DATABASE_ADMIN_SECRET_ARN: expect.anything(),
  })
})
