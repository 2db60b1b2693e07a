import { describe, expect, test } from 'vitest'
import { functionNames, kinds, type Properties } from '../support/synth.ts'

describe.each(Object.entries(kinds))('%s', (_, stack) => {
  const [id, trigger] = stack.one('Custom::Trigger')

  test('migrating waits for the answer, longer than the function lives, so that its failure fails the deploy', () => {
    expect(trigger.Properties.InvocationType).toBe('RequestResponse')
    const { Timeout } = stack.fn('migrate')[1].Properties
    const [provider] = trigger.Properties.ServiceToken['Fn::GetAtt']
    const [, caller] = stack.resources('AWS::Lambda::Function').find(([name]) => name === provider)!
    expect(Number(trigger.Properties.Timeout) / 1000).toBeGreaterThan(Timeout)
    expect(caller.Properties.Timeout).toBeGreaterThan(Number(trigger.Properties.Timeout) / 1000)
  })

  test("the log group of CDK's trigger expires and goes with the stack, and nothing can make it again", () => {
    const [provider] = trigger.Properties.ServiceToken['Fn::GetAtt']
    const [, caller] = stack.resources('AWS::Lambda::Function').find(([name]) => name === provider)!
    const [group, logs] = stack.one(
      'AWS::Logs::LogGroup',
      ({ LogGroupName }) => LogGroupName === '/viewkeeper/test/migrate-on-deploy',
    )
    expect(caller.Properties.LoggingConfig).toEqual({ LogGroup: { Ref: group } })
    expect(logs).toMatchObject({
      Properties: { RetentionInDays: expect.any(Number) },
      DeletionPolicy: 'Delete',
    })
    const [, role] = stack
      .resources('AWS::IAM::Role')
      .find(([name]) => name === caller.Properties.Role['Fn::GetAtt'][0])!
    expect(role.Properties).not.toHaveProperty('ManagedPolicyArns')
    const statements = role.Properties.Policies.flatMap(
      ({ PolicyDocument }: Properties) => PolicyDocument.Statement,
    )
    expect(statements.flatMap(({ Action }: Properties) => Action).toSorted()).toEqual([
      'lambda:InvokeFunction',
      'logs:CreateLogStream',
      'logs:PutLogEvents',
    ])
  })

  test.each(functionNames.filter((name) => name !== 'migrate'))(
    '%s is deployed after the migration',
    (name) => {
      expect(stack.fn(name)[1].DependsOn).toContain(id)
    },
  )

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
    expect(trigger.DependsOn).toEqual(expect.arrayContaining(needed))
  })
})
