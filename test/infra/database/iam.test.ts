import { AwsSolutionsChecks } from 'cdk-nag'
import { describe, expect, test } from 'vitest'
import type { EnvironmentOptions } from '../../../src/config/options.ts'
import { created, imported, importedWithIam } from '../support/environments.ts'
import { createStack, databaseOf, functionNames, importOf, outside, Synthesized } from '../support/synth.ts'

const synth = (options: EnvironmentOptions) => new Synthesized(createStack(options))
const withIam = createStack({
  ...created,
  database: { ...created.database, authentication: 'iam' } as EnvironmentOptions['database'],
})
const createdWithIam = new Synthesized(withIam)
const database = databaseOf(withIam)
const stacks = { created: createdWithIam, imported: synth(importedWithIam) }
/** A role with a password is not the one with IAM, so that functions go on while a deploy changes the way. */
const roles = { created: 'viewkeeper_iam', imported: 'viewkeeper_app' }
const inside = functionNames.filter((name) => !outside.includes(name))
const [instance, { Properties: server }] = database.one('AWS::RDS::DBInstance')
const resourceId = importOf(database, { 'Fn::GetAtt': [instance, 'DbiResourceId'] })

describe.each(Object.entries(stacks))('%s, with IAM', (kind, stack) => {
  test('there is no secret, no endpoint, and no way out but to the database', () => {
    expect(stack.resources('AWS::SecretsManager::Secret')).toEqual([])
    expect(stack.resources('AWS::EC2::VPCEndpoint')).toEqual([])
    const [group, { Properties }] = stack.one('AWS::EC2::SecurityGroup', (p) =>
      /^The functions/.test(p.GroupDescription),
    )
    const open = (Properties.SecurityGroupEgress ?? []).filter(
      ({ CidrIp }: { CidrIp: string }) => CidrIp !== '255.255.255.255/32',
    )
    const rules = stack.resources('AWS::EC2::SecurityGroupEgress').map(([, rule]) => rule.Properties)
    const own = rules.filter(({ GroupId }) => GroupId['Fn::GetAtt']?.[0] === group)
    expect([...open, ...own].map(({ Description }) => Description)).toEqual(['The database'])
    expect(JSON.stringify(stack.template.toJSON())).not.toMatch(/secretsmanager/i)
  })

  test.each(inside)('%s may connect as its role, and migrate as the master user, too', (name) => {
    const connecting = stack.permissions(name).filter(({ action }) => !/^(ec2|logs|sqs):/.test(action))
    const role = roles[kind as keyof typeof roles]
    const users = kind === 'created' && name === 'migrate' ? ['viewkeeper_admin', role] : [role]
    const resources = users.map((user) =>
      kind === 'created'
        ? {
            'Fn::Join': [
              '',
              [
                'arn:',
                { Ref: 'AWS::Partition' },
                ':rds-db:',
                { Ref: 'AWS::Region' },
                ':',
                { Ref: 'AWS::AccountId' },
                ':dbuser:',
                resourceId,
                `/${user}`,
              ],
            ],
          }
        : {
            'Fn::Join': [
              '',
              [
                'arn:',
                { Ref: 'AWS::Partition' },
                `:rds-db:eu-central-1:123456789012:dbuser:cluster-ABCDEFGHIJKL01234/${user}`,
              ],
            ],
          },
    )
    expect(connecting).toEqual(resources.map((resource) => ({ action: 'rds-db:connect', resource })))
  })

  test('each function is told the user, and migrate the master user, too', () => {
    for (const name of inside) {
      const { Variables } = stack.fn(name)[1].Properties.Environment
      const given = Object.entries(Variables).filter(([key]) => /IAM_USER|SECRET/.test(key))
      expect(Object.fromEntries(given)).toEqual({
        DATABASE_IAM_USER: roles[kind as keyof typeof roles],
        ...(kind === 'created' && name === 'migrate' && { DATABASE_ADMIN_IAM_USER: 'viewkeeper_admin' }),
      })
    }
    expect(stack.template.toJSON().Outputs).not.toHaveProperty('DatabaseSecret')
  })

  test('cdk-nag finds nothing that is not explained', () => {
    const { violations } = new AwsSolutionsChecks().validateScope(stack.stack)
    expect(violations.map(({ ruleName }) => ruleName)).toEqual([])
  })
})

test('the stack of the database has no secret either, and cdk-nag finds nothing there that is not explained', () => {
  expect(database.resources('AWS::SecretsManager::Secret')).toEqual([])
  const { violations } = new AwsSolutionsChecks().validateScope(database.stack)
  expect(violations.map(({ ruleName }) => ruleName)).toEqual([])
})

test('the master user of a created server logs in with IAM, and has no password', () => {
  expect(server).toMatchObject({
    EnableIAMDatabaseAuthentication: true,
    MasterUserAuthenticationType: 'iam-db-auth',
    MasterUsername: 'viewkeeper_admin',
  })
  expect(server).not.toHaveProperty('ManageMasterUserPassword')
  expect(server).not.toHaveProperty('MasterUserPassword')
})

test('functions may connect to both servers of a blue/green deployment', () => {
  const resourceId = ['db-BLUE', 'db-GREEN']
  const stack = synth({ ...importedWithIam, database: { ...importedWithIam.database, resourceId } })
  expect(JSON.stringify(stack.permissions('refresh'))).toMatch(
    /dbuser:db-BLUE\/viewkeeper_app.+dbuser:db-GREEN\/viewkeeper_app/,
  )
})

test('with a secret, a created server knows no IAM', () => {
  const { Properties } = databaseOf(createStack(created)).one('AWS::RDS::DBInstance')[1]
  expect(Properties).not.toHaveProperty('EnableIAMDatabaseAuthentication')
  expect(Properties).not.toHaveProperty('MasterUserAuthenticationType')
})

const onlyFor = (way: string) => `must be left out, it is only for databases with authentication: '${way}'`
const vpcWith = (addSecretsManagerEndpoint: unknown) => ({
  vpc: { ...imported.database.vpc, addSecretsManagerEndpoint },
})
test.each<['a secret' | 'IAM', object, string]>([
  ['a secret', { secretArn: undefined }, "secretArn: is required with authentication: 'secret'"],
  ['a secret', { user: 'viewkeeper_app' }, `user: ${onlyFor('iam')}`],
  ['a secret', { resourceId: 'db-ABC' }, `resourceId: ${onlyFor('iam')}`],
  [
    'a secret',
    vpcWith(undefined),
    "vpc.addSecretsManagerEndpoint: is required with authentication: 'secret'",
  ],
  ['IAM', { user: undefined }, "user: is required with authentication: 'iam'"],
  ['IAM', { resourceId: undefined }, "resourceId: is required with authentication: 'iam'"],
  ['IAM', { resourceId: 'app' }, 'resourceId: must look like'],
  ['IAM', { resourceId: [] }, 'resourceId: must look like'],
  ['IAM', { resourceId: ['db-BLUE', 'green'] }, 'resourceId.1: must look like'],
  ['IAM', { user: 'a*' }, 'user: must be the name of a role'],
  ['IAM', { secretArn: imported.database.secretArn }, `secretArn: ${onlyFor('secret')}`],
  ['IAM', { secretKeyArn: imported.database.secretKeyArn }, `secretKeyArn: ${onlyFor('secret')}`],
  ['IAM', vpcWith(true), `vpc.addSecretsManagerEndpoint: ${onlyFor('secret')}`],
])('an imported database with %s and %j is refused, by the name of the field', (way, change, message) => {
  const database = { ...(way === 'IAM' ? importedWithIam : imported).database, ...change }
  expect(() => createStack({ ...imported, database } as never)).toThrow(`test.database.${message}`)
})
