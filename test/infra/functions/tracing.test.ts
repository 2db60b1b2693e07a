import { expect, test } from 'vitest'
import { created } from '../support/environments.ts'
import { createStack, functionNames, kinds, Synthesized } from '../support/synth.ts'

const traced = new Synthesized(createStack({ ...created, tracing: true }))
const xray = (stack: Synthesized, name: string) =>
  stack.permissions(name).filter(({ action }) => action.startsWith('xray:'))

test.each(functionNames)('X-Ray traces %s if the environment says so, and only then', (name) => {
  expect(traced.fn(name)[1].Properties.TracingConfig).toEqual({ Mode: 'Active' })
  expect(xray(traced, name)).toEqual([
    { action: 'xray:PutTelemetryRecords', resource: '*' },
    { action: 'xray:PutTraceSegments', resource: '*' },
  ])
  expect(kinds.created.fn(name)[1].Properties).not.toHaveProperty('TracingConfig')
  expect(xray(kinds.created, name)).toEqual([])
})

test('X-Ray traces the executions of batches if the environment says so, and only then', () => {
  const [, { Properties: machine }] = traced.one('AWS::StepFunctions::StateMachine')
  expect(machine.TracingConfiguration).toEqual({ Enabled: true })
  const [, { Properties: quiet }] = kinds.created.one('AWS::StepFunctions::StateMachine')
  expect(quiet.TracingConfiguration?.Enabled ?? false).toBe(false)
  const [role] = quiet.RoleArn['Fn::GetAtt']
  expect(JSON.stringify(kinds.created.template.toJSON().Resources[role])).not.toContain('xray:')
})

test('a network without a way out gets no endpoint of X-Ray', () => {
  const endpoints = (stack: Synthesized) => stack.resources('AWS::EC2::VPCEndpoint').length
  expect(endpoints(traced)).toBe(endpoints(kinds.created))
})
