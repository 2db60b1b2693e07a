import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { deep, eachCase } from '../support/deep.ts'
import { Project } from './support/project.ts'

// The query APIs of RDS and EC2: answers in the shape of their references, to the command as people type it.

const instance = (more = '') => `<DBInstances><DBInstance>
  <DBInstanceIdentifier>shop-db</DBInstanceIdentifier><DBInstanceArn>arn:aws:rds:eu-central-1:123456789012:db:shop-db</DBInstanceArn><Engine>postgres</Engine><EngineVersion>17.4</EngineVersion>
  <MasterUsername>master</MasterUsername><DBName>shop</DBName><DbiResourceId>db-ABCDEFGHIJKL01234</DbiResourceId>
  <Endpoint><Address>shop-db.abc.eu-central-1.rds.amazonaws.com</Address><Port>5433</Port></Endpoint>
  <VpcSecurityGroups><VpcSecurityGroupMembership><VpcSecurityGroupId>sg-0123456789abcdef0</VpcSecurityGroupId></VpcSecurityGroupMembership></VpcSecurityGroups>
  <DBSubnetGroup><DBSubnetGroupName>shop</DBSubnetGroupName></DBSubnetGroup>
  <DBParameterGroups><DBParameterGroup><DBParameterGroupName>shop-17</DBParameterGroupName></DBParameterGroup></DBParameterGroups>
  ${more || '<IAMDatabaseAuthenticationEnabled>false</IAMDatabaseAuthenticationEnabled><MasterUserSecret><SecretArn>arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1-AbCdEf</SecretArn></MasterUserSecret>'}
</DBInstance></DBInstances>`

const cluster = `<DBClusters><DBCluster>
  <DBClusterIdentifier>shop</DBClusterIdentifier><DBClusterArn>arn:aws:rds:eu-central-1:123456789012:cluster:shop</DBClusterArn><Engine>aurora-postgresql</Engine><EngineVersion>16.6</EngineVersion>
  <MasterUsername>master</MasterUsername><DbClusterResourceId>cluster-ABCDEFGHIJKL01234</DbClusterResourceId>
  <Endpoint>shop.cluster-abc.eu-central-1.rds.amazonaws.com</Endpoint><Port>5432</Port>
  <IAMDatabaseAuthenticationEnabled>true</IAMDatabaseAuthenticationEnabled>
  <VpcSecurityGroups><VpcSecurityGroupMembership><VpcSecurityGroupId>sg-1</VpcSecurityGroupId></VpcSecurityGroupMembership>
    <VpcSecurityGroupMembership><VpcSecurityGroupId>sg-2</VpcSecurityGroupId></VpcSecurityGroupMembership></VpcSecurityGroups>
  <DBSubnetGroup>shop</DBSubnetGroup><DBClusterParameterGroup>shop-16</DBClusterParameterGroup>
</DBCluster></DBClusters>`

const subnet = (name: string, zone: string) =>
  `<Subnet><SubnetIdentifier>${name}</SubnetIdentifier><SubnetAvailabilityZone><Name>${zone}</Name></SubnetAvailabilityZone></Subnet>`
const route = (target: string) =>
  `<routeSet><item><destinationCidrBlock>10.0.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId></item>${target && `<item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock>${target}</item>`}</routeSet>`
const own = (id: string) => `<associationSet><item><subnetId>${id}</subnetId></item></associationSet>`
const main = '<associationSet><item><main>true</main></item></associationSet>'
const table = (used: string, target: string) => `<item>${used}${route(target)}</item>`
const nat = '<natGatewayId>nat-1</natGatewayId>'
const internet = '<gatewayId>igw-1</gatewayId>'

type Answers = Record<string, string | { status: number; code: string }>

const usual: Answers = {
  DescribeDBInstances: instance(),
  DescribeDBSubnetGroups: `<DBSubnetGroups><DBSubnetGroup><VpcId>vpc-0123456789abcdef0</VpcId><Subnets>${subnet('subnet-0123456789abcdef0', 'eu-central-1a')}${subnet('subnet-0123456789abcdef1', 'eu-central-1b')}</Subnets></DBSubnetGroup></DBSubnetGroups>`,
  DescribeRouteTables: `<routeTableSet>${table(main, nat)}${table(own('subnet-0123456789abcdef1'), internet)}</routeTableSet>`,
  DescribeVpcEndpoints: '<vpcEndpointSet/>',
  DescribeDBProxies:
    '<DBProxies><member><DBProxyName>front</DBProxyName></member></DBProxies><Marker>2</Marker>',
  'DescribeDBProxies 2': '<DBProxies><member><DBProxyName>other</DBProxyName></member></DBProxies>',
  'DescribeDBProxyTargets front':
    '<Targets><member><RdsResourceId>shop-db</RdsResourceId></member></Targets>',
  'DescribeDBProxyTargets other':
    '<Targets><member><RdsResourceId>another</RdsResourceId></member></Targets>',
  DescribeDBParameters:
    '<Parameters><Parameter><ParameterName>max_connections</ParameterName><ParameterValue>200</ParameterValue></Parameter><Parameter><ParameterName>work_mem</ParameterName><ParameterValue>1</ParameterValue></Parameter></Parameters>',
  DescribeDBClusterParameters: '<Parameters/>',
}

let answers: Answers = usual
let asked: string[] = []
let server: Server

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const given = new URLSearchParams(body)
    const action = given.get('Action') ?? ''
    const isEc2 = given.get('Version') === '2016-11-15'
    const scope = new RegExp(`/eu-central-1/${isEc2 ? 'ec2' : 'rds'}/aws4_request`)
    asked.push(scope.test(request.headers.authorization ?? '') ? action : `${action} unsigned`)
    const key = [given.get('Marker'), given.get('DBProxyName')]
      .map((each) => `${action} ${each}`)
      .find((each) => each in answers)
    const answer = answers[key ?? action]
    if (answer === undefined || typeof answer === 'object') {
      const { status, code } = answer ?? { status: 404, code: `${action}NotFound` }
      response.statusCode = status
      const error = `<Error><Code>${code}</Code><Message>no</Message></Error>`
      return response.end(
        isEc2 ? `<Response><Errors>${error}</Errors></Response>` : `<ErrorResponse>${error}</ErrorResponse>`,
      )
    }
    return response.end(
      isEc2
        ? `<${action}Response>${answer}</${action}Response>`
        : `<${action}Response><${action}Result>${answer}</${action}Result></${action}Response>`,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterAll(() => new Promise((resolve) => server.close(resolve)))

beforeEach(() => {
  answers = usual
  asked = []
})

/** Of a caller with credentials; an empty variable is left out. */
const environment = (more: Record<string, string> = {}) =>
  Object.fromEntries(Object.entries({ ...credentials(), ...more }).filter(([, value]) => value !== ''))

const credentials = () => ({
  AWS_ENDPOINT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'key',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
})

function emptyProject() {
  const project = new Project()
  project.remove('package.json')
  return project
}

test('writes the app for an instance, with what AWS does not tell beside its prop, and the commands that follow', async () => {
  const project = emptyProject()
  const { code, out, err } = await project.run(['init', '--from-rds', 'shop-db'], { env: environment() })
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(asked.filter((each) => each.endsWith('unsigned'))).toEqual([])
  expect(project.read('viewkeeper.config.ts')).toContain("production: { region: 'eu-central-1' }")
  const app = project.read('bin/app.mts')
  for (const line of [
    "const env = { account: '123456789012', region: 'eu-central-1' }",
    "vpc: Vpc.fromLookup(stack, 'Vpc', { vpcId: 'vpc-0123456789abcdef0' }),",
    'database: DatabaseServer.fromInstance(',
    "  DatabaseInstance.fromLookup(stack, 'Database', { instanceIdentifier: 'shop-db' }),",
    "databaseName: 'shop',",
    "loginSecret: Secret.fromSecretNameV2(stack, 'Login', 'viewkeeper/production'),",
    'addSecretsManagerEndpoint: false,',
  ])
    expect(app).toContain(line)
  expect(app).toMatch(/Not proxy front: .*ends the run when its caller leaves/)
  expect(app).not.toMatch(/proxy other|work_mem/)
  expect(app).toContain('max_connections is 200')
  expect(out).toMatch(
    /export DATABASE_URL='postgres:\/\/shop-db.+5433\/shop'\n.+create-role --create-secret viewkeeper\/production --secret '.+secret:rds!db-1-AbCdEf'\n.+adopt --all .+\n.+cdk bootstrap.+\n.+cdk deploy -c env=production/,
  )
})

test(
  'takes the cluster of an instance, with IAM up to PostgreSQL 15, and leaves open what RDS does not know',
  deep,
  async () => {
    answers = {
      ...usual,
      DescribeDBInstances: instance('<DBClusterIdentifier>shop</DBClusterIdentifier>'),
      DescribeDBClusters: cluster.replace('16.6', '15.6'),
      DescribeRouteTables: `<routeTableSet>${table(main, '')}</routeTableSet>`,
      DescribeDBProxies: '<DBProxies/>',
    }
    const project = emptyProject()
    const { code, out } = await project.run(['init', '--from-rds', 'shop-db'], { env: environment() })
    expect(code).toBe(0)
    const app = project.read('bin/app.mts')
    expect(app).toMatch(/Cluster shop, of which you named an instance/)
    expect(app).toContain("DatabaseCluster.fromLookup(stack, 'Database', { clusterIdentifier: 'shop' })")
    expect(app).toMatch(/iamAuthentication: true,\n +loginUser: 'viewkeeper_iam'/)
    expect(app).toMatch(/RDS does not know which databases .*\n +databaseName: ''/)
    expect(app).not.toMatch(/addSecretsManagerEndpoint|Secret/)
    expect(out).toContain('viewkeeper create-role --iam')
    answers = { ...answers, DescribeDBClusters: cluster }
    const newer = emptyProject()
    const { out: next } = await newer.run(['init', '--from-rds', 'shop-db'], { env: environment() })
    // From 16 on, the master user would be locked out.
    expect(next).toContain('viewkeeper create-role --create-secret')
    expect(newer.read('bin/app.mts')).toMatch(/takes tokens of IAM, too.*\n.*\n +loginSecret: /)
  },
)

test(
  'adds an endpoint of Secrets Manager if the subnets have no way out, and says that every subnet is public',
  deep,
  async () => {
    answers = { ...usual, DescribeRouteTables: `<routeTableSet>${table(main, '')}</routeTableSet>` }
    const isolated = emptyProject()
    await isolated.run(['init', '--from-rds', 'shop-db'], { env: environment() })
    expect(isolated.read('bin/app.mts')).toContain('addSecretsManagerEndpoint: true')
    answers = { ...usual, DescribeRouteTables: `<routeTableSet>${table(main, internet)}</routeTableSet>` }
    const open = emptyProject()
    await open.run(['init', '--from-rds', 'shop-db'], { env: environment() })
    expect(open.read('bin/app.mts')).toMatch(
      /Every subnet of the server is public.*\n +vpcSubnets: \{ subnets: \[\] \}/,
    )
  },
)

test('an app that exists is kept, and the construct is printed for it', deep, async () => {
  const project = emptyProject()
  project.write('bin/app.mts', '// mine\n')
  const { code, out } = await project.run(['init', '--from-rds', 'shop-db'], { env: environment() })
  expect(code).toBe(0)
  expect(project.read('bin/app.mts')).toBe('// mine\n')
  expect(out).toMatch(
    /put this into a stack of your CDK app.+\n\n.+\n\n {4}new Viewkeeper\(stack, 'Viewkeeper', \{/,
  )
})

describe('is refused, and writes nothing', () => {
  test('a region without an identifier', async () => {
    const { code, err } = await emptyProject().run(['init', '--region', 'eu-central-1'])
    expect(code).toBe(2)
    expect(err).toContain('--region is the region of --from-rds')
  })

  eachCase<[string, Answers, Record<string, string>, RegExp]>(
    [
      [
        'an unknown identifier',
        {
          DescribeDBInstances: { status: 404, code: 'DBInstanceNotFound' },
          DescribeDBClusters: { status: 404, code: 'DBClusterNotFoundFault' },
        },
        {},
        /no instance and no cluster "shop-db".*describe-db-instances/s,
      ],
      ['MySQL', { DescribeDBInstances: instance().replace('>postgres<', '>mysql<') }, {}, /shop-db is mysql/],
      [
        'an old server',
        { DescribeDBInstances: instance().replace('17.4', '14.2') },
        {},
        /PostgreSQL 14\.2.*15 and later/,
      ],
      [
        'a missing right',
        { DescribeDBProxies: { status: 403, code: 'AccessDenied' } },
        {},
        /may not call rds:DescribeDBProxies/,
      ],
      [
        'an error that nobody foresaw',
        { DescribeDBSubnetGroups: { status: 404, code: 'DBSubnetGroupNotFoundFault' } },
        {},
        /AWS did not say what is needed of shop-db: .* Nothing was written/,
      ],
      [
        'a missing right of EC2',
        { DescribeRouteTables: { status: 403, code: 'UnauthorizedOperation' } },
        {},
        /may not call ec2:DescribeRouteTables/,
      ],
      [
        'credentials that AWS refuses',
        { DescribeDBInstances: { status: 403, code: 'InvalidClientTokenId' } },
        {},
        /no valid AWS credentials/,
      ],
      [
        'no credentials',
        {},
        { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' },
        /no valid AWS credentials/,
      ],
      ['no region', {}, { AWS_REGION: '' }, /AWS region is not known/],
      ['a region that is none', {}, { AWS_REGION: 'x y' }, /--region: must look like/],
      [
        'an address where nobody listens',
        {},
        { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' },
        /127\.0\.0\.1:1 cannot be read/,
      ],
    ],
    { quick: 2 },
  )('%s', async (_, changed, env, message) => {
    answers = { ...usual, ...changed }
    const project = emptyProject()
    const { code, err } = await project.run(['init', '--from-rds', 'shop-db'], { env: environment(env) })
    expect(code).not.toBe(0)
    expect(err).toMatch(message)
    expect(project.files('.')).not.toContain('viewkeeper.config.ts')
  })
})
