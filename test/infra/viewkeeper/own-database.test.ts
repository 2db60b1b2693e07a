import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duration, Fn, Stack } from 'aws-cdk-lib'
import { Annotations, Match } from 'aws-cdk-lib/assertions'
import {
  InstanceType,
  InterfaceVpcEndpointAwsService,
  type IVpc,
  Peer,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2'
import { Key } from 'aws-cdk-lib/aws-kms'
import {
  DatabaseCluster,
  type DatabaseClusterAttributes,
  DatabaseInstance,
  type DatabaseInstanceAttributes,
  DatabaseInstanceEngine,
  DatabaseProxy,
  type IDatabaseCluster,
  type IDatabaseInstance,
  PostgresEngineVersion,
} from 'aws-cdk-lib/aws-rds'
import { HostedRotation, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { DatabaseServer } from '../../../infra/database/server.ts'
import { deep } from '../../support/deep.ts'
import { clusterIn, instanceIn, ownApp, ownStack, ownVpc, viewkeeperOn } from '../support/own-app.ts'
import { functionNames, outside, Synthesized } from '../support/synth.ts'

const inside = functionNames.filter((name) => !outside.includes(name))
const variablesOf = (stack: Synthesized, name: string) => stack.fn(name)[1].Properties.Environment.Variables

/** A stack with a server of its own, and Viewkeeper beside it. */
function onInstance(more: Parameters<typeof viewkeeperOn>[2] = {}) {
  const { stack, vpc } = ownStack()
  const database = instanceIn(stack, vpc)
  const viewkeeper = viewkeeperOn(stack, { database, vpc }, more)
  return { viewkeeper, database, stack: new Synthesized(stack) }
}

describe('on an instance of the app', () => {
  const { stack } = onInstance()
  const [server] = stack.one('AWS::RDS::DBInstance')

  test.each(inside)('%s is told where the server is, and lies in its private subnets', (name) => {
    expect(variablesOf(stack, name)).toMatchObject({
      DATABASE_HOST: { 'Fn::GetAtt': [server, 'Endpoint.Address'] },
      DATABASE_PORT: { 'Fn::GetAtt': [server, 'Endpoint.Port'] },
      DATABASE_NAME: 'shop',
    })
    const subnets = stack.fn(name)[1].Properties.VpcConfig.SubnetIds.map(({ Ref }: { Ref: string }) => Ref)
    expect(subnets).toEqual([
      expect.stringMatching(/^VpcPrivateSubnet1/),
      expect.stringMatching(/^VpcPrivateSubnet2/),
    ])
  })

  test("the server's security group lets the functions in, at its own port", () => {
    const groupOf = (name: string) => stack.fn(name)[1].Properties.VpcConfig.SecurityGroupIds[0]
    const rules = stack
      .properties('AWS::EC2::SecurityGroupIngress')
      .filter(({ GroupId }) => GroupId['Fn::GetAtt'][0].startsWith('Db'))
    expect(rules).toMatchObject([
      {
        FromPort: { 'Fn::GetAtt': [server, 'Endpoint.Port'] },
        SourceSecurityGroupId: groupOf('refresh'),
      },
    ])
  })

  test("only migrate reads the server's own secret; the functions have one of a role of their own", () => {
    const secrets = stack.resources('AWS::SecretsManager::Secret')
    const [own] = secrets.find(([, { Properties }]) =>
      JSON.stringify(Properties.GenerateSecretString.SecretStringTemplate).includes('viewkeeper_app_test'),
    )!
    for (const name of inside) {
      const readable = stack
        .permissions(name)
        .filter(({ action }) => action === 'secretsmanager:GetSecretValue')
        .map(({ resource }) => (resource as { Ref: string }).Ref)
      expect(readable.filter((each) => each === own)).toEqual([own])
      expect(readable.length, name).toBe(name === 'migrate' ? 2 : 1)
      expect(variablesOf(stack, name).DATABASE_SECRET_ARN).toEqual({ Ref: own })
    }
    expect(variablesOf(stack, 'migrate').DATABASE_ADMIN_SECRET_ARN.Ref).toMatch(/^DbSecretAttachment/)
  })

  test('migrate is called when the server, its rules and the way to Secrets Manager are there', () => {
    const [, { DependsOn }] = stack.one('Custom::ViewkeeperMigration')
    const types = ['RDS::DBInstance', 'EC2::SecurityGroupIngress', 'EC2::SecurityGroupEgress']
    const needed = types.flatMap((type) => stack.resources(`AWS::${type}`)).map(([id]) => id)
    const routes = stack.resources('AWS::EC2::Route').filter(([id]) => id.startsWith('VpcPrivate'))
    expect(routes).toHaveLength(2)
    expect(DependsOn).toEqual(expect.arrayContaining([...needed, ...routes.map(([id]) => id)]))
  })

  test(
    'migrate is called when an endpoint is there that the app adds, and the rule of a group that the app makes',
    deep,
    () => {
      const { stack: own, vpc } = ownStack()
      const securityGroups = [new SecurityGroup(own, 'Group', { vpc })]
      viewkeeperOn(own, { database: instanceIn(own, vpc, 'Db', { securityGroups }), vpc })
      vpc.addInterfaceEndpoint('Secrets', { service: InterfaceVpcEndpointAwsService.SECRETS_MANAGER })
      const stack = new Synthesized(own)
      const needed = ['VPCEndpoint', 'SecurityGroupIngress'].map((type) => stack.one(`AWS::EC2::${type}`)[0])
      expect(stack.one('Custom::ViewkeeperMigration')[1].DependsOn).toEqual(expect.arrayContaining(needed))
    },
  )

  test('there is no endpoint of Secrets Manager unless the app asks for it', deep, () => {
    expect(stack.resources('AWS::EC2::VPCEndpoint')).toEqual([])
    const asked = onInstance({ addSecretsManagerEndpoint: true }).stack
    expect(asked.one('AWS::EC2::VPCEndpoint')[1].Properties.SubnetIds).toHaveLength(2)
  })
})

test('a cluster of the app is reached by its writer, with its secret', () => {
  const { stack: own, vpc } = ownStack()
  viewkeeperOn(own, { database: clusterIn(own, vpc), vpc })
  const stack = new Synthesized(own)
  const [cluster] = stack.one('AWS::RDS::DBCluster')
  const [writer] = stack.one('AWS::RDS::DBInstance')
  expect(variablesOf(stack, 'refresh')).toMatchObject({
    DATABASE_HOST: { 'Fn::GetAtt': [cluster, 'Endpoint.Address'] },
    DATABASE_PORT: { 'Fn::GetAtt': [cluster, 'Endpoint.Port'] },
  })
  expect(variablesOf(stack, 'migrate').DATABASE_ADMIN_SECRET_ARN.Ref).toMatch(/^ClusterSecretAttachment/)
  expect(stack.one('Custom::ViewkeeperMigration')[1].DependsOn).toEqual(
    expect.arrayContaining([cluster, writer]),
  )
})

test('a server of another stack gets its rule from the stack of Viewkeeper', deep, () => {
  const app = ownApp()
  const first = new Stack(app, 'First')
  const vpc = ownVpc(first)
  const database = instanceIn(first, vpc)
  const second = new Stack(app, 'Second')
  viewkeeperOn(second, { database, vpc })
  const stack = new Synthesized(second)
  expect(second.dependencies).toEqual([first])
  expect(stack.resources('AWS::EC2::SecurityGroupIngress')).toHaveLength(1)
  expect(new Synthesized(first).resources('AWS::EC2::SecurityGroupIngress')).toEqual([])
})

describe.each([
  ['an instance', instanceIn],
  ['a cluster', (scope: Stack, vpc: IVpc) => clusterIn(scope, vpc, { iamAuthentication: true })],
])('%s of another stack, whose authentication changes', (_, make) => {
  const deploy = (more: Parameters<typeof viewkeeperOn>[2]) => {
    const app = ownApp()
    const shop = new Stack(app, 'Shop')
    const vpc = ownVpc(shop)
    const database = make(shop, vpc)
    const views = new Stack(app, 'ShopViews')
    viewkeeperOn(views, { database, vpc }, more)
    const { Outputs } = new Synthesized(shop).template.toJSON()
    const exported = Object.values(Outputs as Record<string, { Export: { Name: string } }>)
    const read = JSON.stringify(new Synthesized(views).template.toJSON()).matchAll(
      /"Fn::ImportValue":"([^"]+)"/g,
    )
    return { exported: exported.map(({ Export }) => Export.Name), read: [...read].map(([, name]) => name) }
  }
  const withSecret = deploy({})
  const withIam = deploy({ iamAuthentication: true, loginUser: 'views' })

  test.each([
    ['from secret to iam', withSecret, withIam],
    ['from iam to secret', withIam, withSecret],
  ])('%s: exports what the deployed version still reads', (_way, before, after) => {
    expect(before.read).not.toEqual(after.read)
    expect(after.exported).toEqual(expect.arrayContaining(before.read))
  })
})

/** A server that the app imports, of which CDK knows no secret. */
function importedInstance(stack: Stack, more: Partial<DatabaseInstanceAttributes> = {}): IDatabaseInstance {
  return DatabaseInstance.fromDatabaseInstanceAttributes(stack, 'Db', {
    instanceIdentifier: 'shop',
    instanceEndpointAddress: 'shop.example.com',
    port: 6432,
    securityGroups: [SecurityGroup.fromSecurityGroupId(stack, 'DbGroup', 'sg-0123456789abcdef0')],
    instanceResourceId: 'db-ABCDEFGHIJKL01234',
    engine: DatabaseInstanceEngine.POSTGRES,
    ...more,
  })
}

/** A cluster that the app imports, without a security group. */
const importedCluster = (stack: Stack, more: Partial<DatabaseClusterAttributes> = {}): IDatabaseCluster =>
  DatabaseCluster.fromDatabaseClusterAttributes(stack, 'Db', {
    clusterIdentifier: 'shop',
    clusterEndpointAddress: 'shop.cluster.example.com',
    port: 5432,
    ...more,
  })

const errorsOf = (stack: Stack) =>
  Annotations.fromStack(stack)
    .findError('*', Match.anyValue())
    .map(({ entry }) => entry.data)

describe('on an imported server', () => {
  const on = (
    more: (stack: Stack) => Parameters<typeof viewkeeperOn>[2],
    importIn: (stack: Stack) => IDatabaseInstance | IDatabaseCluster = importedInstance,
  ) => {
    const { stack, vpc } = ownStack()
    viewkeeperOn(stack, { database: importIn(stack), vpc }, more(stack))
    return new Synthesized(stack)
  }

  test('without a secret, the props that are missing are named', () => {
    expect(() => on(() => ({}))).toThrow(/adminSecret: is required, because Own\/Db .*create-role`/)
    expect(() => on(() => ({ iamAuthentication: true }))).toThrow(
      /loginUser: is required .*create-role --iam/,
    )
  })

  test('a proxy is refused, with what to give instead', () => {
    const proxyOf = (stack: Stack) =>
      DatabaseProxy.fromDatabaseProxyAttributes(stack, 'Proxy', {
        dbProxyName: 'shop',
        dbProxyArn: 'arn:aws:rds:eu-central-1:123456789012:db-proxy:prx-0123456789abcdef0',
        endpoint: 'shop.proxy.example.com',
        securityGroups: [],
      }) as object as IDatabaseInstance
    expect(() => on(() => ({}), proxyOf)).toThrow(
      /database: must be DatabaseServer.fromInstance.* and no proxy/,
    )
  })

  test('with the secret of a role that exists, migrate makes none', () => {
    const stack = on((own) => ({ loginSecret: new Secret(own, 'Login') }))
    const [login] = stack.one('AWS::SecretsManager::Secret')
    expect(variablesOf(stack, 'migrate')).toMatchObject({
      DATABASE_HOST: 'shop.example.com',
      DATABASE_PORT: '6432',
      DATABASE_SECRET_ARN: { Ref: login },
    })
    expect(variablesOf(stack, 'migrate')).not.toHaveProperty('DATABASE_ADMIN_SECRET_ARN')
  })

  test("with an administrator's secret, migrate makes the role, with a limit of its connections", () => {
    const stack = on((own) => ({ adminSecret: new Secret(own, 'Admin'), connectionLimit: 12 }))
    expect(variablesOf(stack, 'migrate').DATABASE_ADMIN_SECRET_ARN.Ref).toMatch(/^Admin/)
    expect(variablesOf(stack, 'migrate').CONNECTION_LIMIT).toBe('12')
    expect(variablesOf(stack, 'refresh')).not.toHaveProperty('CONNECTION_LIMIT')
  })

  test('with IAM and a role that exists, no function reads a secret', () => {
    const stack = on(() => ({ iamAuthentication: true, loginUser: 'views' }))
    expect(stack.resources('AWS::SecretsManager::Secret')).toEqual([])
    for (const name of inside) {
      expect(variablesOf(stack, name).DATABASE_IAM_USER).toBe('views')
      const [connect] = stack.permissions(name).filter(({ action }) => action === 'rds-db:connect')
      expect(JSON.stringify(connect?.resource)).toContain('db-ABCDEFGHIJKL01234/views')
      expect(stack.permissions(name).filter(({ action }) => /^secretsmanager:/.test(action))).toEqual([])
    }
  })

  test('IAM without the resource id of the server is refused', () => {
    const withoutId = (stack: Stack) => importedInstance(stack, { instanceResourceId: undefined })
    expect(() => on(() => ({ iamAuthentication: true, loginUser: 'views' }), withoutId)).toThrow(
      / {2}iamAuthentication needs the resource id of Own\/Db/,
    )
  })

  test('an imported cluster is taken with the secret that CDK knows of', () => {
    const stack = on(
      () => ({}),
      (own) =>
        importedCluster(own, {
          securityGroups: [SecurityGroup.fromSecurityGroupId(own, 'DbGroup', 'sg-0123456789abcdef0')],
          secret: new Secret(own, 'Admin'),
        }),
    )
    expect(variablesOf(stack, 'refresh').DATABASE_HOST).toBe('shop.cluster.example.com')
    expect(variablesOf(stack, 'migrate').DATABASE_ADMIN_SECRET_ARN.Ref).toMatch(/^Admin/)
  })

  test('a server without a security group is an error of the synthesis: nothing could let the functions in', () => {
    const { stack } = on((own) => ({ loginSecret: new Secret(own, 'Login') }), importedCluster)
    expect(errorsOf(stack)).toEqual([
      'database: Own/Db has no security group that could let the functions in; import it with securityGroups',
    ])
  })

  test('a server that is no PostgreSQL is refused', () => {
    const mysql = (stack: Stack) => importedInstance(stack, { engine: DatabaseInstanceEngine.MYSQL })
    expect(() => on(() => ({}), mysql)).toThrow('database: must be a PostgreSQL, and its engine is mysql')
  })
})

describe('with IAM', () => {
  test('an instance of the app lets the role in, which migrate makes with the administrator that the app names', () => {
    const { stack: own, vpc } = ownStack()
    const adminSecret = new Secret(own, 'Admin')
    const version = PostgresEngineVersion.VER_15
    const database = instanceIn(own, vpc, 'Db', { engine: DatabaseInstanceEngine.postgres({ version }) })
    viewkeeperOn(own, { database, vpc }, { iamAuthentication: true, adminSecret })
    const stack = new Synthesized(own)
    expect(stack.one('AWS::RDS::DBInstance')[1].Properties.EnableIAMDatabaseAuthentication).toBe(true)
    expect(variablesOf(stack, 'refresh').DATABASE_IAM_USER).toBe('viewkeeper_iam_test')
    expect(variablesOf(stack, 'migrate').DATABASE_ADMIN_SECRET_ARN.Ref).toMatch(/^Admin/)
    expect(stack.permissions('refresh').map(({ action }) => action)).toContain('rds-db:connect')
  })

  test('no administrator with a password makes the role from PostgreSQL 16 on: RDS would refuse the password', () => {
    const { stack: own, vpc } = ownStack()
    const adminSecret = new Secret(own, 'Admin')
    expect(() =>
      viewkeeperOn(own, { database: instanceIn(own, vpc), vpc }, { iamAuthentication: true, adminSecret }),
    ).toThrow(/ {2}adminSecret: with iamAuthentication, .*create-role --iam`, and name it as loginUser/)
  })

  test("the server's own administrator makes no role: the administrator's password could stop working", () => {
    expect(() => onInstance({ iamAuthentication: true })).toThrow(/ {2}loginUser: is required/)
  })

  test('a server of the app that has too little memory for it gets a warning', deep, () => {
    const warningsOn = (size: string) => {
      const { stack, vpc } = ownStack()
      const database = instanceIn(stack, vpc, 'Db', { instanceType: new InstanceType(size) })
      viewkeeperOn(stack, { database, vpc }, { iamAuthentication: true, loginUser: 'views' })
      return Annotations.fromStack(stack).findWarning('*', Match.stringLikeRegexp('MiB of the server'))
    }
    expect(warningsOn('t4g.micro')).toMatchObject([
      { entry: { data: expect.stringContaining('a db.t4g.micro has 1 GiB') } },
    ])
    expect(warningsOn('t4g.small')).toEqual([])
  })

  test('a cluster that may pause, and is kept awake by looks, gets a warning with the price', () => {
    const warningsOn = (serverlessV2MinCapacity: number, monitorEveryMinutes: number) => {
      const { stack, vpc } = ownStack()
      viewkeeperOn(
        stack,
        { database: clusterIn(stack, vpc, { serverlessV2MinCapacity }), vpc },
        { monitorInterval: Duration.minutes(monitorEveryMinutes) },
      )
      return Annotations.fromStack(stack).findWarning('*', Match.stringLikeRegexp('keeps the cluster awake'))
        .length
    }
    expect([warningsOn(0, 1), warningsOn(0, 30), warningsOn(0.5, 1)]).toEqual([1, 0, 0])
  })

  test('a cluster of the app lets the role in if the app says so: nobody else changes it', () => {
    const on = (iamAuthentication?: boolean) => {
      const { stack, vpc } = ownStack()
      const database = clusterIn(stack, vpc, { iamAuthentication })
      viewkeeperOn(stack, { database, vpc }, { iamAuthentication: true, loginUser: 'views' })
      return new Synthesized(stack)
    }
    expect(on(true).one('AWS::RDS::DBCluster')[1].Properties.EnableIAMDatabaseAuthentication).toBe(true)
    for (const without of [false, undefined])
      expect(() => on(without)).toThrow(/give Own\/Cluster iamAuthentication: true/)
  })
})

describe('a secret', () => {
  test('with a customer key that is imported can be read', () => {
    const { stack: own, vpc } = ownStack({ env: { account: '123456789012', region: 'eu-central-1' } })
    const keyArn = 'arn:aws:kms:eu-central-1:123456789012:key/1234'
    const loginSecret = Secret.fromSecretAttributes(own, 'Login', {
      secretCompleteArn: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:login-AbCdEf',
      encryptionKey: Key.fromKeyArn(own, 'Key', keyArn),
    })
    viewkeeperOn(
      own,
      { database: instanceIn(own, vpc), vpc },
      { loginSecret, adminSecret: new Secret(own, 'Admin') },
    )
    const stack = new Synthesized(own)
    const onKey = (name: string) =>
      stack.permissions(name).flatMap(({ action, resource }) => (resource === keyArn ? [action] : []))
    expect(onKey('refresh')).toEqual(['kms:Decrypt'])
  })

  test('with a customer key of another stack makes no circle of stacks', deep, () => {
    const app = ownApp()
    const first = new Stack(app, 'First')
    const vpc = ownVpc(first)
    const database = instanceIn(first, vpc)
    const loginSecret = new Secret(first, 'Login', { encryptionKey: new Key(first, 'Key') })
    const second = new Stack(app, 'Second')
    viewkeeperOn(second, { database, vpc }, { loginSecret })
    expect(new Synthesized(second).permissions('refresh').map(({ action }) => action)).toContain(
      'kms:Decrypt',
    )
    expect(first.dependencies).toEqual([])
  })

  test('that is imported by its name is named to policies without its last six characters', deep, () => {
    const { stack: own, vpc } = ownStack()
    viewkeeperOn(
      own,
      { database: importedInstance(own), vpc },
      { loginSecret: Secret.fromSecretNameV2(own, 'Login', 'shop'), addSecretsManagerEndpoint: true },
    )
    const stack = new Synthesized(own)
    const [, { Properties }] = stack.one('AWS::EC2::VPCEndpoint')
    expect(JSON.stringify(Properties.PolicyDocument)).toContain(':secret:shop-??????')
    expect(JSON.stringify(stack.permissions('refresh'))).toContain(':secret:shop-??????')
  })
})

test('the password of the role is rotated as AWS does it, if the app says so', deep, () => {
  const { stack: own, vpc } = ownStack()
  const { loginSecret, securityGroups } = viewkeeperOn(own, { database: instanceIn(own, vpc), vpc })
  loginSecret?.addRotationSchedule('Rotation', {
    hostedRotation: HostedRotation.postgreSqlSingleUser({ vpc, securityGroups }),
  })
  const stack = new Synthesized(own)
  const [, { Properties }] = stack.one('AWS::SecretsManager::RotationSchedule')
  expect(Properties.SecretId).toEqual(variablesOf(stack, 'refresh').DATABASE_SECRET_ARN)
})

test('a server that is no RDS is told by its name, and by the group or the addresses that let the functions in', () => {
  const { stack: own, vpc } = ownStack()
  const attributes = {
    host: Fn.importValue('endpoint'),
    port: 6432,
    peer: new SecurityGroup(own, 'Group', { vpc }),
  }
  const database = DatabaseServer.fromAttributes(attributes)
  viewkeeperOn(own, { database, vpc }, { loginSecret: new Secret(own, 'Login') })
  const stack = new Synthesized(own)
  expect(variablesOf(stack, 'refresh')).toMatchObject({
    DATABASE_HOST: { 'Fn::ImportValue': 'endpoint' },
    DATABASE_PORT: '6432',
    DATABASE_SECRET_ARN: { Ref: expect.stringMatching(/^Login/) },
  })
  expect(stack.one('AWS::EC2::SecurityGroupIngress')[1].Properties).toMatchObject({ FromPort: 6432 })
  const { stack: other, vpc: otherVpc } = ownStack()
  const withIam = { iamAuthentication: true, loginUser: 'views' }
  expect(() => viewkeeperOn(other, { database, vpc: otherVpc }, withIam)).toThrow(
    'iamAuthentication is for instances and clusters of aws-rds',
  )
})

test(
  'a server of another account, in a VPC that is shared, is reached by its addresses, and nothing of its account is changed',
  deep,
  () => {
    const { stack: own } = ownStack()
    const vpc = Vpc.fromVpcAttributes(own, 'Shared', {
      vpcId: 'vpc-0123456789abcdef0',
      availabilityZones: ['a', 'b'],
      privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
    })
    const database = DatabaseServer.fromAttributes({ host: 'db.example.com', peer: Peer.ipv4('10.1.8.0/22') })
    const { functionsSecurityGroup } = viewkeeperOn(
      own,
      { database, vpc },
      { loginSecret: new Secret(own, 'Login') },
    )
    const stack = new Synthesized(own)
    expect(stack.resources('AWS::EC2::SecurityGroupIngress')).toEqual([])
    expect(stack.resources('AWS::EC2::SecurityGroupEgress')).toEqual([])
    expect(stack.resources('AWS::EC2::VPCEndpoint')).toEqual([])
    const [group, { Properties }] = stack.one('AWS::EC2::SecurityGroup')
    expect(own.resolve(functionsSecurityGroup.securityGroupId)).toEqual({ 'Fn::GetAtt': [group, 'GroupId'] })
    expect(Properties.SecurityGroupEgress).toMatchObject([
      { CidrIp: '10.1.8.0/22', FromPort: 5432 },
      { CidrIp: '0.0.0.0/0', FromPort: 443 },
    ])
  },
)

test('a folder of migrations that is missing is a warning, unless the deploy leaves the migrations out', () => {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-app-'))
  vi.spyOn(process, 'cwd').mockReturnValue(folder)
  onTestFinished(() => {
    vi.restoreAllMocks()
    rmSync(folder, { recursive: true })
  })
  const warningsWith = (viewMigrations: boolean) => {
    const { stack, vpc } = ownStack()
    viewkeeperOn(stack, { database: instanceIn(stack, vpc), vpc }, { viewMigrations })
    return Annotations.fromStack(stack).findWarning('*', Match.stringLikeRegexp('There is no folder'))
  }
  expect(warningsWith(true)).toHaveLength(1)
  expect(warningsWith(false)).toEqual([])
})

describe('subnets', () => {
  test('that are public are refused', () => {
    expect(() => onInstance({ vpcSubnets: { subnetType: SubnetType.PUBLIC } })).toThrow(/vpcSubnets: must be/)
  })

  test('that are isolated get a warning, unless there is an endpoint of Secrets Manager', () => {
    const warningsWith = (more: object) => {
      const { stack } = ownStack()
      const vpc = new Vpc(stack, 'Isolated', {
        natGateways: 0,
        subnetConfiguration: [{ name: 'isolated', subnetType: SubnetType.PRIVATE_ISOLATED }],
      })
      viewkeeperOn(stack, { database: importedInstance(stack), vpc }, more)
      return Annotations.fromStack(stack).findWarning('*', Match.stringLikeRegexp('functions are isolated'))
    }
    const adminSecret = (id: string) => Secret.fromSecretNameV2(new Stack(), id, 'admin')
    expect(warningsWith({ adminSecret: adminSecret('a') })).toHaveLength(1)
    expect(warningsWith({ adminSecret: adminSecret('b'), addSecretsManagerEndpoint: true })).toEqual([])
    expect(warningsWith({ iamAuthentication: true, loginUser: 'views' })).toEqual([])
  })
})
