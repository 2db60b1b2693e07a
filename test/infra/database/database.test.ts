import { expect, test } from 'vitest'
import { kinds, type Resource } from '../support/synth.ts'

test.each(Object.entries(kinds))(
  '%s: the stack keeps and protects nothing, so that a failed first deploy is rolled back',
  (_, stack) => {
    const kept = Object.values(stack.template.toJSON().Resources as Record<string, Resource>)
      .filter(({ DeletionPolicy }) => DeletionPolicy !== undefined && DeletionPolicy !== 'Delete')
      .map(({ Type }) => Type)
    expect(kept).toEqual([])
    expect(stack.stack.terminationProtection ?? false).toBe(false)
    expect(JSON.stringify(stack.template.toJSON())).not.toContain('DeletionProtection')
  },
)

test('the role of Viewkeeper has a secret of its own, with the fields that the rotations of AWS read', () => {
  const [, { Properties }] = kinds.created.one('AWS::SecretsManager::Secret')
  const { SecretStringTemplate, GenerateStringKey } = Properties.GenerateSecretString
  const text = SecretStringTemplate['Fn::Join'][1]
    .map((part: unknown) => (typeof part === 'string' ? part : '1'))
    .join('')
  expect(JSON.parse(text)).toEqual({
    username: 'viewkeeper_app_test',
    engine: 'postgres',
    host: '1',
    port: 1,
    dbname: 'app',
  })
  expect(GenerateStringKey).toBe('password')
})

test('a server that is there gets no resource but one rule in its security group', () => {
  expect(kinds.imported.resources('AWS::RDS::DBInstance')).toEqual([])
  expect(kinds.imported.resources('AWS::SecretsManager::Secret')).toEqual([])
  const [, { Properties }] = kinds.imported.one('AWS::EC2::SecurityGroupIngress')
  expect(Properties).toMatchObject({ GroupId: 'sg-0123456789abcdef0', FromPort: 6432, ToPort: 6432 })
})
