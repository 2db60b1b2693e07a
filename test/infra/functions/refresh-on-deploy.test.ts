import { ApplicationLogLevel } from 'aws-cdk-lib/aws-lambda'
import { describe, expect, test } from 'vitest'
import { deep } from '../../support/deep.ts'
import { throwaway } from '../support/environments.ts'
import { createStack, functionNames, kinds, Synthesized } from '../support/synth.ts'

const stack = kinds.throwaway
const type = 'Custom::ViewkeeperRefresh'
const [, { DependsOn: after, Properties: call }] = stack.one(type)
const [machine] = stack.one('AWS::StepFunctions::StateMachine')

describe('with refreshOnDeploy', () => {
  test('the function deploy starts a batch of every view, whenever the deployed code has changed', () => {
    expect(call).toEqual({
      ServiceToken: { 'Fn::GetAtt': [stack.fn('deploy')[0], 'Arn'] },
      ServiceTimeout: '960',
      Migrate: { Ref: stack.one('AWS::Lambda::Version')[0] },
      StateMachine: { Ref: machine },
      Key: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
  })

  test('it is called after everything that a batch needs', () => {
    const types = ['StepFunctions::StateMachine', 'ApiGatewayV2::Route', 'Scheduler::Schedule']
    const others = types.flatMap((type) => stack.resources(`AWS::${type}`)).map(([id]) => id)
    expect(others.length).toBeGreaterThan(10)
    const functions = functionNames.map((name) => stack.fn(name)[0])
    expect(after).toEqual(expect.arrayContaining([...others, ...functions]))
  })

  test('it may start that machine, by two resources more in all', deep, () => {
    expect(stack.permissions('deploy')).toContainEqual({
      action: 'states:StartExecution',
      resource: { Ref: machine },
    })
    const countOf = ({ template }: Synthesized) => Object.keys(template.toJSON().Resources).length
    const without = new Synthesized(createStack({ ...throwaway, refreshOnDeploy: false }))
    expect(countOf(new Synthesized(createStack(throwaway)))).toBe(countOf(without) + 2)
    expect(without.resources(type)).toEqual([])
  })

  test('a deploy that changes only options has the same key, which is no second batch', () => {
    const again = new Synthesized(
      createStack({ ...throwaway, batchConcurrency: 5, logLevel: ApplicationLogLevel.DEBUG }),
    )
    expect(again.one(type)[1].Properties.Key).toBe(call.Key)
    expect(again.fn('batch')[1].Properties.Environment.Variables.BATCH_CONCURRENCY).toBe('5')
  })
})
