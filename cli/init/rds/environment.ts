import type { FoundServer } from './read-server.ts'

/** What is written of a server, and what is said of it. */
export interface RdsEnvironment {
  /** The field of an environment of `viewkeeper.config.ts`, two levels deep, with what is missing as comments. */
  text: string
  /** What to type next, in this order. */
  commands: string[]
}

const quoted = (text: string): string => `'${text.replaceAll(/['\\]/g, '\\$&')}'`
const listed = (texts: string[]): string => `[${texts.map(quoted).join(', ')}]`

/** From PostgreSQL 16 on, the master user who makes a login of IAM can log in with tokens only. */
const usesIam = ({ hasIam, major }: FoundServer): boolean => hasIam && major < 16

const makesSecret = 'viewkeeper create-role --create-secret viewkeeper/production'

/** The environment `production` that works on this server. What AWS does not tell is a comment beside its field. Pure. */
export function environmentOf(server: FoundServer, region: string): RdsEnvironment {
  const usable = server.subnets.filter(({ wayOut }) => wayOut !== 'public')
  const [group, ...otherGroups] = server.securityGroups
  const login = usesIam(server)
    ? [
        '// The server takes tokens of IAM. `npx viewkeeper create-role --iam` makes the role.',
        "authentication: 'iam',",
        "user: 'viewkeeper_iam',",
        `resourceId: ${quoted(server.resourceId)},`,
      ]
    : [
        ...(server.hasIam
          ? [
              '// The server takes tokens of IAM, too. Whoever makes such a role is locked out with a password (docs/iam.md).',
            ]
          : []),
        `// The ARN of the login of Viewkeeper's own role: npx ${makesSecret} prints it.`,
        "secretArn: '',",
      ]
  const lines = [
    ...remarksOf(server),
    "kind: 'imported',",
    `endpoint: ${quoted(server.endpoint)},`,
    `port: ${server.port},`,
    ...(server.databaseName === undefined
      ? ['// RDS does not know which databases the server has: psql -l lists them.', "name: '',"]
      : [
          '// The database that was made with the server; psql -l lists the others.',
          `name: ${quoted(server.databaseName)},`,
        ]),
    ...login,
    ...(otherGroups.length > 0 ? [`// It also has ${otherGroups.join(', ')}; one group is enough.`] : []),
    `securityGroupId: ${quoted(group ?? '')},`,
    'vpc: {',
    ...indented([
      `id: ${quoted(server.vpcId)},`,
      ...(usable.length === 0
        ? ['// Every subnet of the server is public, and a function needs a private one: name such subnets.']
        : ['// Those of the server that are private.']),
      `subnetIds: ${listed(usable.map(({ id }) => id))},`,
      `availabilityZones: ${listed(usable.map(({ zone }) => zone))},`,
      ...(usesIam(server) ? [] : endpointLines(server, usable)),
    ]),
    '},',
  ]
  const text = [
    'production: {',
    ...indented([
      `region: ${quoted(region)},`,
      'database: {',
      ...indented(lines),
      '},',
      '// Who gets the mails of alarms.',
      'alarmEmails: [],',
    ]),
    '},',
  ]
  return { text: indented(indented(text)).join('\n'), commands: commandsOf(server) }
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
      ? ['// Logical replication is on: docs/side-effects.md says what subscribers get of Viewkeeper.']
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
    'npx cdk deploy -c env=production --all',
  ]
}

const indented = (lines: string[]): string[] => lines.map((line) => `  ${line}`)
