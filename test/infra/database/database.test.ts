import { RemovalPolicies } from 'aws-cdk-lib'
import { Key } from 'aws-cdk-lib/aws-kms'
import { expect, test } from 'vitest'
import { encryptWith } from '../../../docs/examples/own-key.ts'
import type { EnvironmentOptions } from '../../../src/config/options.ts'
import { created as options } from '../support/environments.ts'
import { createStack, databaseOf, databases, kinds, type Resource, Synthesized } from '../support/synth.ts'

const instance = (kind: 'created' | 'throwaway') => databases[kind].one('AWS::RDS::DBInstance')[1]
const created = ['created', 'throwaway'] as const

test.each(created)('%s: the server refuses connections without TLS', (kind) => {
  const [group, { Properties }] = databases[kind].one('AWS::RDS::DBParameterGroup')
  expect(Properties.Parameters['rds.force_ssl']).toBe('1')
  expect(Properties.Family).toBe('postgres18')
  expect(instance(kind).Properties.DBParameterGroupName).toEqual({ Ref: group })
})

test.each(created)('%s: the server is private, in subnets without a way to the internet', (kind) => {
  expect(instance(kind).Properties.PubliclyAccessible).toBe(false)
  for (const type of ['InternetGateway', 'NatGateway', 'Route'])
    for (const stack of [kinds[kind], databases[kind]])
      expect(stack.resources(`AWS::EC2::${type}`)).toEqual([])
})

test.each(created)('%s: storage is encrypted, backed up, and RDS keeps the master password', (kind) => {
  expect(instance(kind).Properties).toMatchObject({
    StorageEncrypted: true,
    ManageMasterUserPassword: true,
    BackupRetentionPeriod: 7,
  })
  expect(instance(kind).Properties).not.toHaveProperty('MasterUserPassword')
})

test('a protected database refuses removal, and leaves a snapshot', () => {
  expect(instance('created')).toMatchObject({
    Properties: { DeletionProtection: true },
    DeletionPolicy: 'Snapshot',
    UpdateReplacePolicy: 'Snapshot',
  })
})

test('one to throw away is removed with its data', () => {
  expect(instance('throwaway')).toMatchObject({
    Properties: { DeletionProtection: false },
    DeletionPolicy: 'Delete',
  })
})

const keptOf = ({ template }: Synthesized) =>
  Object.values(template.toJSON().Resources as Record<string, Resource>)
    .filter(({ DeletionPolicy }) => DeletionPolicy !== undefined && DeletionPolicy !== 'Delete')
    .map(({ Type }) => Type)

test.each(Object.entries(kinds))(
  '%s: the stack keeps and protects nothing, so that a failed first deploy is rolled back',
  (_, stack) => {
    expect(keptOf(stack)).toEqual([])
    expect(stack.stack.terminationProtection ?? false).toBe(false)
    expect(JSON.stringify(stack.template.toJSON())).not.toContain('DeletionProtection')
  },
)

test.each(created)('%s: nothing but a protected database is left behind by a removal', (kind) => {
  expect(keptOf(databases[kind])).toEqual(kind === 'created' ? ['AWS::RDS::DBInstance'] : [])
})

test('the role of Viewkeeper has a secret of its own, which is not the master user', () => {
  const [, { Properties }] = kinds.created.one('AWS::SecretsManager::Secret')
  expect(JSON.parse(Properties.GenerateSecretString.SecretStringTemplate)).toEqual({
    username: 'viewkeeper_app',
  })
  expect(instance('created').Properties.MasterUsername).not.toBe('viewkeeper_app')
})

test('an imported database gets no resource but one rule in its security group', () => {
  expect(kinds.imported.resources('AWS::RDS::DBInstance')).toEqual([])
  expect(kinds.imported.resources('AWS::SecretsManager::Secret')).toEqual([])
  const [, { Properties }] = kinds.imported.one('AWS::EC2::SecurityGroupIngress')
  expect(Properties).toMatchObject({ GroupId: 'sg-0123456789abcdef0', FromPort: 6432, ToPort: 6432 })
})

const keyArn = 'arn:aws:kms:eu-central-1:123456789012:key/own'

test('a key of yours encrypts logs, topics, queue and the secret, and another one the storage', () => {
  const { stack, database } = withKeys(keyArn)
  for (const [type, field] of [
    ['AWS::Logs::LogGroup', 'KmsKeyId'],
    ['AWS::SNS::Topic', 'KmsMasterKeyId'],
    ['AWS::SQS::Queue', 'KmsMasterKeyId'],
    ['AWS::SecretsManager::Secret', 'KmsKeyId'],
  ] as const) {
    const keys = [stack, database].flatMap((each) =>
      each.resources(type).map(([, { Properties }]) => Properties[field]),
    )
    expect(new Set(keys), type).toEqual(new Set([keyArn]))
  }
  expect(database.one('AWS::RDS::DBInstance')[1].Properties.KmsKeyId).toBe(`${keyArn}-storage`)
  expect(stack.permissions('refresh')).toContainEqual(
    expect.objectContaining({ action: 'kms:Decrypt', resource: keyArn }),
  )
})

test('another key for all but the storage replaces nothing', () => {
  const idsOf = ({ stack, database }: ReturnType<typeof withKeys>) =>
    [stack, database].flatMap(({ template }) =>
      Object.entries(template.toJSON().Resources as Record<string, Resource>)
        .filter(([, { Type }]) => Type !== 'AWS::Lambda::Version')
        .map(([id]) => id),
    )
  expect(idsOf(withKeys(`${keyArn}-2`, `${keyArn}-storage`))).toEqual(idsOf(withKeys(keyArn)))
})

test('what an app retains of logs, dead letters and the secret stays; the log groups of the server go with it', () => {
  const made = createStack(options)
  RemovalPolicies.of(made).retain({
    applyToResourceTypes: ['AWS::Logs::LogGroup', 'AWS::SQS::Queue', 'AWS::SecretsManager::Secret'],
  })
  const stack = new Synthesized(made)
  expect([...new Set(keptOf(stack))].sort()).toEqual([
    'AWS::Logs::LogGroup',
    'AWS::SQS::Queue',
    'AWS::SecretsManager::Secret',
  ])
})

function withKeys(ofAll: string, storage = `${keyArn}-storage`) {
  const made = createStack({
    ...options,
    database: { ...options.database, encryptionKeyArn: storage } as EnvironmentOptions['database'],
  })
  for (const each of [made, made.databaseStack!]) encryptWith(each, Key.fromKeyArn(each, 'OwnKey', ofAll))
  return { stack: new Synthesized(made), database: databaseOf(made) }
}
