import { describe, expect, test } from 'vitest'
import { throwaway } from '../support/environments.ts'
import { createStack, functionNames, kinds, Synthesized } from '../support/synth.ts'

const stack = kinds.throwaway
const [, { DependsOn: after, Properties: call }] = stack.one('Custom::AWS')
const [machine] = stack.one('AWS::StepFunctions::StateMachine')
const deployed = (some: Synthesized): string =>
  readCall(some.one('Custom::AWS')[1].Properties.Create).physicalResourceId.id

describe('with refreshOnDeploy', () => {
  test('a batch of every view is started, without waiting for it, whenever the deployed code has changed', () => {
    for (const event of ['Create', 'Update']) {
      const { parameters, ...made } = readCall(call[event])
      expect(made).toEqual({
        service: 'SFN',
        action: 'startExecution',
        physicalResourceId: { id: expect.stringMatching(/^[0-9a-f]{32}$/) },
        outputPaths: ['executionArn'],
      })
      expect(parameters.stateMachineArn).toBe(machine)
      expect(JSON.parse(parameters.input)).toEqual({ trigger: 'deploy', key: deployed(stack), all: true })
    }
    expect(call).not.toHaveProperty('Delete')
  })

  test('it is called after everything that a batch needs', () => {
    const types = ['StepFunctions::StateMachine', 'ApiGatewayV2::Route', 'Scheduler::Schedule']
    const others = types.flatMap((type) => stack.resources(`AWS::${type}`)).map(([id]) => id)
    expect(others.length).toBeGreaterThan(10)
    const functions = functionNames.map((name) => stack.fn(name)[0])
    expect(after).toEqual(expect.arrayContaining([...others, ...functions]))
  })

  test('who starts the execution may do nothing else, and its log is kept for a limited time', () => {
    const [, { Properties: caller }] = stack.one('AWS::Lambda::Function', (p) =>
      p.LoggingConfig?.LogGroup.Ref.startsWith('LogGroupViewkeeperTestRefreshOnDeploy'),
    )
    const role = caller.Role['Fn::GetAtt'][0]
    const statements = stack
      .resources('AWS::IAM::Policy')
      .filter(([, { Properties }]) => Properties.Roles[0].Ref === role)
      .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
    const group = caller.LoggingConfig.LogGroup.Ref
    expect(statements).toMatchObject([
      { Action: ['logs:CreateLogStream', 'logs:PutLogEvents'], Resource: { 'Fn::GetAtt': [group, 'Arn'] } },
      { Action: 'states:StartExecution', Resource: { Ref: machine } },
    ])
    expect(stack.resources('AWS::Logs::LogGroup').map(([id]) => id)).toContain(group)
  })

  test('a deploy that changes only options calls nothing', () => {
    const again = new Synthesized(createStack({ ...throwaway, batchConcurrency: 5, logLevel: 'DEBUG' }))
    expect(again.one('Custom::AWS')[1].Properties).toEqual(call)
    expect(again.fn('batch')[1].Properties.Environment.Variables.BATCH_CONCURRENCY).toBe('5')
  })
})

test('without refreshOnDeploy nothing is called', () => {
  for (const quiet of [kinds.created, kinds.imported]) expect(quiet.resources('Custom::AWS')).toEqual([])
})

/** The call of the custom resource, joined as CloudFormation does. A reference becomes its logical id. */
function readCall(call: { 'Fn::Join': [string, (string | { Ref: string })[]] }) {
  const parts = call['Fn::Join'][1].map((part) => (typeof part === 'string' ? part : part.Ref))
  return JSON.parse(parts.join(''))
}
