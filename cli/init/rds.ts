import { Problem } from '../../src/words/problem.ts'
import { listIn, NotFound, type QueryApi, textIn, type Xml } from '../api/query-api.ts'
import type { KnownServer } from './template.ts'

/** What AWS says about a server, and about the network in which it is. */
interface FoundServer {
  /** The instance, or the cluster that it is a part of. */
  identifier: string
  isCluster: boolean
  /** Whether somebody named an instance of this cluster. */
  namedInstance: boolean
  account: string
  endpoint: string
  port: number
  /** The database that was made with the server; undefined: RDS knows of none. */
  databaseName: string | undefined
  masterUser: string
  /** Where RDS keeps the password of the master user; undefined: it does not keep it. */
  masterSecret: string | undefined
  hasIam: boolean
  /** The major version of PostgreSQL. */
  major: number
  securityGroups: string[]
  vpcId: string
  subnets: FoundSubnet[]
  /** Whether the network has an endpoint of Secrets Manager that every program finds. */
  hasSecretsEndpoint: boolean
  /** The proxies that stand before the server. */
  proxies: string[]
  /** What somebody has set in the parameter groups, of what matters here. */
  parameters: Record<string, string>
}

interface FoundSubnet {
  id: string
  zone: string
  /** Where its traffic to the internet goes: nowhere, through a NAT or another private way, or straight out. */
  wayOut: 'none' | 'private' | 'public'
}

const watched = ['rds.force_ssl', 'max_connections', 'rds.logical_replication']

/** The oldest major version that Viewkeeper works with. */
const oldest = 15

/**
 * Reads an instance or a cluster by its identifier, and what is around it. Refuses (InvalidRequest) what is unknown, is no
 * PostgreSQL, or is too old.
 */
export async function readServer(call: QueryApi, identifier: string): Promise<FoundServer> {
  const { server, isCluster, namedInstance } = await find(call, identifier)
  insistOnPostgres(identifier, server)
  const groupName = isCluster
    ? textIn(server, 'DBSubnetGroup')
    : textIn(server, 'DBSubnetGroup', 'DBSubnetGroupName')
  const described = await call('rds', 'DescribeDBSubnetGroups', { DBSubnetGroupName: groupName ?? 'default' })
  const [group] = listIn(described, 'DBSubnetGroups', 'DBSubnetGroup')
  const vpcId = textIn(group ?? '', 'VpcId') ?? ''
  const name = textIn(server, isCluster ? 'DBClusterIdentifier' : 'DBInstanceIdentifier') as string
  return {
    identifier: name,
    isCluster,
    namedInstance,
    account: textIn(server, isCluster ? 'DBClusterArn' : 'DBInstanceArn')?.split(':')[4] ?? '',
    endpoint: textIn(server, 'Endpoint', ...(isCluster ? [] : ['Address'])) ?? '',
    port: Number(textIn(server, ...(isCluster ? ['Port'] : ['Endpoint', 'Port'])) ?? 5432),
    databaseName: textIn(server, isCluster ? 'DatabaseName' : 'DBName'),
    masterUser: textIn(server, 'MasterUsername') ?? 'postgres',
    masterSecret: textIn(server, 'MasterUserSecret', 'SecretArn'),
    hasIam: textIn(server, 'IAMDatabaseAuthenticationEnabled') === 'true',
    major: Number.parseInt(textIn(server, 'EngineVersion') ?? '', 10),
    securityGroups: textsIn(server, 'VpcSecurityGroups', 'VpcSecurityGroupMembership', 'VpcSecurityGroupId'),
    vpcId,
    subnets: await readSubnets(call, vpcId, listIn(group ?? '', 'Subnets', 'Subnet')),
    hasSecretsEndpoint: await hasSecretsEndpoint(call, vpcId),
    proxies: await readProxies(call, name, isCluster),
    parameters: await readParameters(call, server, isCluster),
  }
}

const textsIn = (xml: Xml, ...path: string[]): string[] =>
  listIn(xml, ...path).filter((each) => typeof each === 'string')

async function find(call: QueryApi, identifier: string) {
  const instance = await one(call, 'DBInstance', identifier)
  const clusterName = instance === null ? identifier : textIn(instance, 'DBClusterIdentifier')
  if (instance !== null && clusterName === undefined)
    return { server: instance, isCluster: false, namedInstance: false }
  const cluster = await one(call, 'DBCluster', clusterName as string)
  if (cluster === null)
    throw new Problem(
      'InvalidRequest',
      `RDS has no instance and no cluster ${JSON.stringify(identifier)} in this region and account. Nothing was written. ` +
        '`aws rds describe-db-instances --query "DBInstances[].DBInstanceIdentifier"` lists them; --region names another region.',
      { field: '--from-rds' },
    )
  return { server: cluster, isCluster: true, namedInstance: instance !== null }
}

/** The instance or cluster of this name; null if there is none. */
async function one(
  call: QueryApi,
  kind: 'DBInstance' | 'DBCluster',
  identifier: string,
): Promise<Xml | null> {
  try {
    const answer = await call('rds', `Describe${kind}s`, { [`${kind}Identifier`]: identifier })
    return listIn(answer, `${kind}s`, kind)[0] ?? null
  } catch (error) {
    if (error instanceof NotFound) return null
    throw error
  }
}

function insistOnPostgres(identifier: string, server: Xml): void {
  const engine = textIn(server, 'Engine') ?? ''
  const version = textIn(server, 'EngineVersion') ?? ''
  const refuse = (what: string) => {
    throw new Problem('InvalidRequest', `${identifier} ${what}. Nothing was written.`, {
      field: '--from-rds',
    })
  }
  if (!engine.includes('postgres')) refuse(`is ${engine}, and Viewkeeper keeps views of PostgreSQL`)
  if (Number.parseInt(version, 10) < oldest)
    refuse(
      `is PostgreSQL ${version}, and Viewkeeper works with ${oldest} and later: upgrade the server first`,
    )
}

/** The subnets of the server, with the way out of each: by its own route table, or else by the main one of the network. */
async function readSubnets(call: QueryApi, vpcId: string, subnets: Xml[]): Promise<FoundSubnet[]> {
  const filter = { 'Filter.1.Name': 'vpc-id', 'Filter.1.Value.1': vpcId }
  const tables = listIn(await call('ec2', 'DescribeRouteTables', filter), 'routeTableSet', 'item')
  const usedBy = (field: string, value: string) =>
    tables.find((table) => textsIn(table, 'associationSet', 'item', field).includes(value))
  return subnets.map((subnet) => {
    const id = textIn(subnet, 'SubnetIdentifier') ?? ''
    const table = usedBy('subnetId', id) ?? usedBy('main', 'true')
    const out = listIn(table, 'routeSet', 'item').find(
      (route) => textIn(route, 'destinationCidrBlock') === '0.0.0.0/0',
    )
    const wayOut =
      out === undefined ? 'none' : textIn(out, 'gatewayId')?.startsWith('igw-') ? 'public' : 'private'
    return { id, zone: textIn(subnet, 'SubnetAvailabilityZone', 'Name') ?? '', wayOut }
  })
}

async function hasSecretsEndpoint(call: QueryApi, vpcId: string): Promise<boolean> {
  const answer = await call('ec2', 'DescribeVpcEndpoints', {
    'Filter.1.Name': 'vpc-id',
    'Filter.1.Value.1': vpcId,
  })
  return listIn(answer, 'vpcEndpointSet', 'item').some(
    (each) =>
      textIn(each, 'serviceName')?.endsWith('.secretsmanager') &&
      textIn(each, 'privateDnsEnabled') === 'true',
  )
}

async function readProxies(call: QueryApi, server: string, isCluster: boolean): Promise<string[]> {
  const names = (await pages(call, 'DescribeDBProxies', {}, 'DBProxies', 'member')).flatMap(
    (each) => textIn(each, 'DBProxyName') ?? [],
  )
  const before: string[] = []
  for (const name of names) {
    const targets = await pages(call, 'DescribeDBProxyTargets', { DBProxyName: name }, 'Targets', 'member')
    const field = isCluster ? 'TrackedClusterId' : 'RdsResourceId'
    if (targets.some((target) => textIn(target, field) === server)) before.push(name)
  }
  return before
}

async function readParameters(
  call: QueryApi,
  server: Xml,
  isCluster: boolean,
): Promise<Record<string, string>> {
  const [name] = isCluster
    ? textsIn(server, 'DBClusterParameterGroup')
    : textsIn(server, 'DBParameterGroups', 'DBParameterGroup', 'DBParameterGroupName')
  if (name === undefined) return {}
  const kind = isCluster ? 'DBCluster' : 'DB'
  const asked = { [`${kind}ParameterGroupName`]: name, Source: 'user' }
  const set = await pages(call, `Describe${kind}Parameters`, asked, 'Parameters', 'Parameter')
  const values = set.map((each) => [textIn(each, 'ParameterName'), textIn(each, 'ParameterValue')] as const)
  return Object.fromEntries(
    values.filter(([each, value]) => watched.includes(each ?? '') && value !== undefined),
  )
}

/** What all pages of an answer of RDS have. */
async function pages(
  call: QueryApi,
  action: string,
  given: Record<string, string>,
  ...path: string[]
): Promise<Xml[]> {
  const found: Xml[] = []
  for (let marker: string | undefined, more = true; more; more = marker !== undefined) {
    const answer = await call('rds', action, {
      ...given,
      ...(marker === undefined ? {} : { Marker: marker }),
    })
    found.push(...listIn(answer, ...path))
    marker = textIn(answer, 'Marker')
  }
  return found
}

/** What is written of a server, and what to type next, in this order. */
interface RdsEnvironment extends KnownServer {
  commands: string[]
}

const quoted = (text: string): string => `'${text.replaceAll(/['\\]/g, '\\$&')}'`

/** From PostgreSQL 16 on, the master user who makes a login of IAM can log in with tokens only. */
const usesIam = ({ hasIam, major }: FoundServer): boolean => hasIam && major < 16

const makesSecret = 'viewkeeper create-role --create-secret viewkeeper/production'

/** The environment `production` that works on this server. What AWS does not tell is a comment beside its prop. Pure. */
export function environmentOf(server: FoundServer, region: string): RdsEnvironment {
  const usable = server.subnets.filter(({ wayOut }) => wayOut !== 'public')
  const { account, vpcId, identifier, isCluster } = server
  const login = usesIam(server)
    ? [
        '// The server takes tokens of IAM. `npx viewkeeper create-role --iam` makes the role.',
        'iamAuthentication: true,',
        "loginUser: 'viewkeeper_iam',",
      ]
    : [
        ...(server.hasIam
          ? [
              '// The server takes tokens of IAM, too. Whoever makes such a role is locked out with a password (docs/iam.md).',
            ]
          : []),
        `// The login of a role of its own: npx ${makesSecret} makes both.`,
        "loginSecret: Secret.fromSecretNameV2(stack, 'Login', 'viewkeeper/production'),",
      ]
  const kind = isCluster ? 'Cluster' : 'Instance'
  const props = [
    "environmentName: 'production',",
    `vpc: Vpc.fromLookup(stack, 'Vpc', { vpcId: '${vpcId}' }),`,
    `database: DatabaseServer.from${kind}(`,
    `  Database${kind}.fromLookup(stack, 'Database', { ${kind.toLowerCase()}Identifier: '${identifier}' }),`,
    '),',
    ...remarksOf(server),
    ...(server.databaseName === undefined
      ? ['// RDS does not know which databases the server has: psql -l lists them.', "databaseName: '',"]
      : [
          '// The database that was made with the server; psql -l lists the others.',
          `databaseName: ${quoted(server.databaseName)},`,
        ]),
    ...login,
    ...(usable.length === 0
      ? [
          '// Every subnet of the server is public, and a function needs a private one: name such subnets of the network.',
          'vpcSubnets: { subnets: [] },',
        ]
      : []),
    ...(usesIam(server) ? [] : endpointLines(server, usable)),
    '// Who gets the mails of alarms.',
    'alarmEmails: [],',
  ]
  const construct = ["new Viewkeeper(stack, 'Viewkeeper', {", ...props.map((line) => `  ${line}`), '})'].join(
    '\n',
  )
  return { account, region, construct, commands: commandsOf(server) }
}

/** What is true of the server, and has no field. */
function remarksOf({ parameters, proxies, ...server }: FoundServer): string[] {
  const what = server.isCluster ? 'Cluster' : 'Instance'
  return [
    `// ${what} ${server.identifier}${server.namedInstance ? ', of which you named an instance: the writer of the cluster is what works' : ''}.`,
    ...proxies.map(
      (name) =>
        `// Not proxy ${name}: a proxy pins the session of a refresh, and ends the run when its caller leaves. Readers may use it.`,
    ),
    ...(parameters.max_connections === undefined
      ? []
      : [`// max_connections is ${parameters.max_connections}; create-role takes half of it at most.`]),
    ...(parameters['rds.force_ssl'] === '0'
      ? ['// rds.force_ssl is off: Viewkeeper uses TLS all the same.']
      : []),
    ...(parameters['rds.logical_replication'] === '1'
      ? ['// Logical replication is on: docs/strategies.md says what subscribers get of Viewkeeper.']
      : []),
    '// Not seen: whether the network lets the functions in (its ACLs), and which roles own views (npx viewkeeper doctor).',
  ]
}

function endpointLines(server: FoundServer, usable: FoundServer['subnets']): string[] {
  const isReached =
    server.hasSecretsEndpoint || (usable.length > 0 && usable.every(({ wayOut }) => wayOut === 'private'))
  return [
    server.hasSecretsEndpoint
      ? '// The network has an endpoint of Secrets Manager; its policy and its security group must let the functions in.'
      : isReached
        ? '// The subnets have a way out, by which the functions reach Secrets Manager.'
        : '// The subnets have no way out, so the functions need an endpoint of Secrets Manager.',
    `addSecretsManagerEndpoint: ${!isReached},`,
  ]
}

function commandsOf(server: FoundServer): string[] {
  const { endpoint, port, databaseName, masterUser, masterSecret } = server
  const user = masterSecret === undefined ? `${masterUser}:…@` : ''
  const login = masterSecret === undefined ? '' : ` --secret '${masterSecret}'`
  return [
    `export DATABASE_URL='postgres://${user}${endpoint}:${port}/${databaseName ?? '<database>'}'`,
    `npx ${usesIam(server) ? 'viewkeeper create-role --iam' : makesSecret}${login}`,
    `npx viewkeeper adopt --all -m 'What is there'${login}`,
    "npx cdk bootstrap --app ''   # once for each account and region",
    'npx cdk deploy -c env=production',
  ]
}
