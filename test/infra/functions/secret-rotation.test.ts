import { AwsSolutionsChecks } from 'cdk-nag'
import { expect, test } from 'vitest'
import type { EnvironmentOptions } from '../../../src/config/options.ts'
import { created } from '../support/environments.ts'
import { createStack, kinds, Synthesized } from '../support/synth.ts'

const withDays = (rotateSecretDays: number, change = {}) =>
  ({ ...created, database: { ...created.database, rotateSecretDays, ...change } }) as EnvironmentOptions

const stack = new Synthesized(createStack(withDays(30)))
const secret = { Ref: stack.one('AWS::SecretsManager::Secret')[0] }
const [lambda, { Properties: rotate }] = stack.fn('rotate')

test('the secret of the role is rotated by the function rotate, from the next time on', () => {
  expect(stack.one('AWS::SecretsManager::RotationSchedule')[1].Properties).toEqual({
    SecretId: secret,
    RotationLambdaARN: { 'Fn::GetAtt': [lambda, 'Arn'] },
    RotationRules: { AutomaticallyAfterDays: 30 },
    RotateImmediatelyOnUpdate: false,
  })
})

test('the rotation is set up when migrate has made the role, and may call the function', () => {
  const [trigger] = stack.one('Custom::ViewkeeperMigration')
  const [, { DependsOn }] = stack.one('AWS::SecretsManager::RotationSchedule')
  const [permission, { Properties }] = stack.one(
    'AWS::Lambda::Permission',
    ({ Principal }) => Principal === 'secretsmanager.amazonaws.com',
  )
  expect(Properties).toMatchObject({
    Action: 'lambda:InvokeFunction',
    SourceAccount: { Ref: 'AWS::AccountId' },
  })
  expect(Properties.FunctionName).toEqual({ 'Fn::GetAtt': [lambda, 'Arn'] })
  expect(DependsOn).toEqual(expect.arrayContaining([trigger, permission]))
})

test('the function is in the network of the database, and changes this secret only', () => {
  expect(rotate.VpcConfig).toEqual(stack.fn('refresh')[1].Properties.VpcConfig)
  expect(rotate.Environment.Variables).toMatchObject({
    DATABASE_HOST: expect.anything(),
    DATABASE_PORT: '5432',
    DATABASE_NAME: 'app',
  })
  const changing = stack.permissions('rotate').filter(({ action }) => !/^(ec2|logs):/.test(action))
  expect(changing.map(({ action }) => action).sort()).toEqual(actions)
  for (const { resource } of changing) expect(resource).toEqual(secret)
})

test('through the endpoint the secret of the role may be changed, and that of the master user only read', () => {
  const statements: { Action: string | string[]; Resource: unknown }[] =
    stack.one('AWS::EC2::VPCEndpoint')[1].Properties.PolicyDocument.Statement
  const changing = statements.filter(({ Action }) => Action !== 'secretsmanager:GetSecretValue')
  expect(changing).toMatchObject([{ Action: actions, Resource: secret }])
})

test('errors of the function set off an alarm', () => {
  const [, { Properties }] = stack.one(
    'AWS::CloudWatch::Alarm',
    ({ AlarmName }) => AlarmName === 'viewkeeper-test-rotate-errors',
  )
  expect(Properties.Dimensions).toEqual([{ Name: 'FunctionName', Value: { Ref: lambda } }])
})

test('cdk-nag finds nothing that is not explained; without the field there is no rotation', () => {
  const { violations } = new AwsSolutionsChecks().validateScope(stack.stack)
  expect(violations.map(({ ruleName }) => ruleName)).toEqual([])
  expect(kinds.created.resources('AWS::SecretsManager::RotationSchedule')).toEqual([])
})

test.each([
  [withDays(0), /database\.rotateSecretDays: /],
  [withDays(1001), /database\.rotateSecretDays: /],
  [withDays(30, { authentication: 'iam' }), /database\.rotateSecretDays: must be left out/],
])('%j is refused, by the name of the field', (options, message) => {
  expect(() => createStack(options)).toThrow(message)
})

const actions = [
  'secretsmanager:GetSecretValue',
  'secretsmanager:PutSecretValue',
  'secretsmanager:UpdateSecretVersionStage',
]
