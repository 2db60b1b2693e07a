import { ManagedPolicy, PermissionsBoundary } from 'aws-cdk-lib/aws-iam'
import { describe, expect, test } from 'vitest'
import { controls, look } from './support/controls.ts'
import { instanceIn, ownStack, viewkeeperOn } from './support/own-app.ts'
import { Synthesized } from './support/synth.ts'

describe.each(controls)('$ids: $asks', (control) => {
  const { all, failing } = look(control, 'byDefault')

  test('a default environment has something that it reads', () => {
    expect(all).toBeGreaterThan(0)
  })

  test('a default environment meets it, unless the table says how, or why not', () => {
    expect(failing.length > 0).toBe((control.prop ?? control.never) !== undefined)
  })

  test('with the props of the table it is met, unless the table says why not', () => {
    expect(look(control, 'hardened').failing.length > 0).toBe(control.never !== undefined)
  })
})

test('a permissions boundary of CDK reaches every role', () => {
  const { stack, vpc } = ownStack()
  viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc })
  PermissionsBoundary.of(stack).apply(ManagedPolicy.fromManagedPolicyName(stack, 'Boundary', 'boundary'))
  const roles = new Synthesized(stack).properties('AWS::IAM::Role')
  expect(roles.length).toBeGreaterThan(10)
  expect(roles.filter((role) => role.PermissionsBoundary === undefined)).toEqual([])
})
