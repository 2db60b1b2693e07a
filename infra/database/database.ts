import { ArnFormat, Stack, Tokenization, Validations } from 'aws-cdk-lib'
import type { IConnectable, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2'
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import type { Construct, IDependable } from 'constructs'
import { type Environment, OptionsError } from '../options.ts'

/** The database that the functions work on: created, imported, or a server of another app. */
export interface Database extends IConnectable, IDependable {
  /** The name in the server's certificate. */
  readonly host: string
  /** The port of the server. */
  readonly port: number
  /** Name of the database inside the server. */
  readonly databaseName: string
  /** The role that Viewkeeper works with. */
  readonly login: Login
  /**
   * The administrator as whom `migrate` makes that role.
   * @default - nobody: the role exists
   */
  readonly admin?: Login
  /**
   * The most connections that `admin` lets the role open.
   * @default - half of the server's
   */
  readonly connectionLimit?: number
  /**
   * The rotation of the login's secret.
   * @default - none
   */
  readonly rotation?: SecretRotationOptions
  /**
   * PEM texts of the authorities that may have signed the server's certificate.
   * @default - the roots of RDS
   */
  readonly certificateAuthority?: string
  /** The network of the functions. */
  readonly vpc: IVpc
  /**
   * Whether the server is reached by IPv6.
   * @default false
   */
  readonly ipv6?: boolean
  /** Private subnets for the functions. */
  readonly subnets: ISubnet[]
  /**
   * The subnets that get an endpoint of Secrets Manager; empty if the subnets reach Secrets Manager without
   * one, or if no login has a secret.
   */
  readonly endpointSubnets: ISubnet[]
}

/** The environment variables that tell a function where the database is. */
export const databaseVariables = (database: Database): Record<string, string> => ({
  ...loginVariables('DATABASE', database.login),
  DATABASE_HOST: database.host,
  // The port of a server in the app is not known before the deploy.
  DATABASE_PORT: Tokenization.stringifyNumber(database.port),
  DATABASE_NAME: database.databaseName,
  ...(database.certificateAuthority && { DATABASE_CA_FILE: authorityFile }),
})

const authorityFile = 'authority.pem'

/** The file beside the code of a function: all variables of a function together may have 4 KB, and a bundle of authorities more. */
export const authorityBeside = ({ certificateAuthority }: Database): Record<string, string> =>
  certificateAuthority === undefined ? {} : { [authorityFile]: certificateAuthority }

/** A role of the database whose name and password are in a secret. */
export interface SecretLogin {
  /** Has `username` and `password`. */
  secret: ISecret
}

/** A role of the database that logs in with a token of IAM. */
export interface IamLogin {
  /** The name of the role. */
  user: string
  /** Lets a function log in as this role. */
  grantConnect(grantee: IGrantable): void
}

/** A secret whose password is changed every few days. */
export interface SecretRotationOptions {
  /** The secret of the role that Viewkeeper works with. */
  secret: ISecret
  /** Days between two changes, 1 to 1000. */
  everyDays: number
}

/** What a rotation does with its secret. */
export const rotatingActions = [
  'secretsmanager:GetSecretValue',
  'secretsmanager:PutSecretValue',
  'secretsmanager:UpdateSecretVersionStage',
]

/** The ARN of a secret as a policy names it: if a secret is imported by its name, the last six characters are unknown. */
export const arnInPolicies = ({ secretFullArn, secretArn }: ISecret): string =>
  secretFullArn ?? `${secretArn}-??????`

/** How a function logs in. */
export type Login = SecretLogin | IamLogin

/** The login of a role with IAM. A resource id names an instance (`db-…`) or a cluster (`cluster-…`). */
export function iamLogin(scope: Construct, user: string, ...resourceIds: string[]): IamLogin {
  const userArn = (resourceId: string) =>
    Stack.of(scope).formatArn({
      service: 'rds-db',
      resource: 'dbuser',
      resourceName: `${resourceId}/${user}`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    })
  const connect = new PolicyStatement({ actions: ['rds-db:connect'], resources: resourceIds.map(userArn) })
  return { user, grantConnect: ({ grantPrincipal }) => grantPrincipal.addToPrincipalPolicy(connect) }
}

/** The environment variable from which a function knows its login. */
export const loginVariables = (
  prefix: 'DATABASE' | 'DATABASE_ADMIN',
  login: Login,
): Record<string, string> =>
  'secret' in login
    ? { [`${prefix}_SECRET_ARN`]: login.secret.secretArn }
    : { [`${prefix}_IAM_USER`]: login.user }

/** Lets a function log in. */
export function grantLogin(login: Login, grantee: IGrantable): void {
  if ('user' in login) {
    login.grantConnect(grantee)
    return
  }
  allowSecret(login.secret, grantee, ['secretsmanager:GetSecretValue'])
}

/**
 * Allows actions with a secret, and what they need of the customer key of the secret. CDK's grants would change the policy of
 * the key, which an imported key does not have here, and in which a key of another stack cannot name this stack's roles. The
 * key's policy has to let policies of IAM grant access, as the default policy does.
 */
export function allowSecret(
  secret: ISecret,
  { grantPrincipal }: IGrantable,
  actions: string[],
  keyActions = ['kms:Decrypt'],
): void {
  grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions, resources: [arnInPolicies(secret)] }))
  if (secret.encryptionKey === undefined) return
  const { keyArn, env } = secret.encryptionKey
  grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({
      actions: keyActions,
      resources: [keyArn],
      conditions: { StringEquals: { 'kms:ViaService': hostsOf('secretsmanager', env.region) } },
    }),
  )
}

/**
 * The names by which KMS may know a service in a region. Addresses in China end in `.cn`; a policy allows both forms there.
 */
function hostsOf(service: string, region: string): string | string[] {
  const host = `${service}.${region}.amazonaws.com`
  return region.startsWith('cn-') ? [host, `${host}.cn`] : host
}

/** A new secret, with the name and a new password of the role that Viewkeeper works with, which `migrate` makes. */
export function roleSecret(
  scope: Construct,
  { role, rotateSecretDays }: { role: string; rotateSecretDays: number | undefined },
): Secret {
  const secret = new Secret(scope, 'RoleSecret', {
    description: 'Login and password of the role that Viewkeeper works with',
    generateSecretString: {
      secretStringTemplate: JSON.stringify({ username: role }),
      generateStringKey: 'password',
      passwordLength: 40,
      excludePunctuation: true,
    },
  })
  Validations.of(secret).acknowledge({
    id: 'AwsSolutions-SMG4',
    reason:
      rotateSecretDays === undefined
        ? 'rotateSecretDays is not set. A new password takes a call of the function migrate.'
        : 'The rotation stands beside the function that rotates the secret.',
  })
  return secret
}

/** Memory of a burstable class by its size, GiB: `t4g.medium` has 4. */
const burstableGiB: Record<string, number> = {
  micro: 1,
  small: 2,
  medium: 4,
  large: 8,
  xlarge: 16,
  '2xlarge': 32,
}

/** GiB for each processor of the other families, by the letters before the generation: `r8g` has 8. */
const gibOfProcessor: Record<string, number> = { m: 4, r: 8, x: 16 }

const bytesOfConnection = 9_531_392

/**
 * Memory of an instance class, GiB: 4 for `t4g.medium`, 16 for `m7g.xlarge`; undefined if the class is none of the
 * common ones. RDS lists classes and their memory under "Hardware specifications for DB instance classes".
 */
export function memoryGiB(instanceType: string): number | undefined {
  const [, family = '', size = ''] = /^([a-z]+)\d+[a-z]*\.([a-z0-9]+)$/.exec(instanceType) ?? []
  if (family === 't') return burstableGiB[size]
  const perProcessor = gibOfProcessor[family]
  const processors = processorsOf(size)
  return perProcessor !== undefined && processors !== undefined ? perProcessor * processors : undefined
}

/**
 * The connections that RDS lets into a server of this class unless its parameters say otherwise:
 * `LEAST(DBInstanceClassMemory / 9531392, 5000)`. `DBInstanceClassMemory` is what RDS leaves of the class's memory, so
 * the server allows somewhat fewer; small classes lose most. Undefined if the memory of the class is unknown.
 */
export function maxConnections(instanceType: string): number | undefined {
  const memory = memoryGiB(instanceType)
  return memory === undefined
    ? undefined
    : Math.min(Math.floor((memory * 2 ** 30) / bytesOfConnection), 5_000)
}

/** 2 for `large`, 4 for `xlarge`, 64 for `16xlarge`. */
function processorsOf(size: string): number | undefined {
  if (size === 'large') return 2
  const [, count] = /^(\d*)xlarge$/.exec(size) ?? []
  return count === undefined ? undefined : 4 * Number(count || 1)
}

/** What the function `batch` opens besides a connection for each run: one to decide, one to listen, two opened ahead. */
const besidesRuns = 4

/**
 * Refuses an environment whose batches do not fit into the connections of the database that it creates, or that leaves no
 * connection to others. Nothing is known here of an imported database, nor of an uncommon class of instances.
 */
export function insistOnConnections(name: string, { database, batchConcurrency }: Environment): void {
  if (database.kind !== 'created') return
  const { instanceType, connectionLimit } = database
  const refuse = (field: string, message: string) => {
    throw new OptionsError(`An environment is not valid:\n  ${name}.${field}: ${message}`)
  }
  const most = maxConnections(instanceType)
  if (most !== undefined && connectionLimit !== undefined && connectionLimit >= most)
    refuse(
      'database.connectionLimit',
      `must leave connections to others: a ${instanceType} allows ${most} in all`,
    )
  const limit = connectionLimit ?? (most === undefined ? Number.POSITIVE_INFINITY : Math.floor(most / 2))
  const needed = batchConcurrency + besidesRuns
  if (needed > limit)
    refuse(
      'batchConcurrency',
      `a batch of ${batchConcurrency} views at once opens ${needed} connections, and Viewkeeper's role may open ${limit} ` +
        `(${connectionLimit === undefined ? `half of what a ${instanceType} allows` : 'database.connectionLimit'})`,
    )
}
