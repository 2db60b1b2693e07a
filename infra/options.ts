import { Duration, Token } from 'aws-cdk-lib'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import * as z from 'zod'
import { commonFields, inWords, named, problemsOf, shortName, textLike, told } from '../src/config/fields.ts'
import type { ImportedDatabaseOptions } from '../src/config/options.ts'

const retentionDays = Object.values(RetentionDays).filter(
  (days): days is RetentionDays => typeof days === 'number' && days < RetentionDays.INFINITE,
)
const retentionRule = `must be one of ${retentionDays.join(', ')}`

/** A text of this form, or a text that only the deploy knows, such as the id of something that the app makes. */
const textOrToken = (form: RegExp, message: string) => textLike(form, message, Token.isUnresolved)

const busRule = 'must be false, or the name or the ARN of an event bus'

/** The fields of `ViewkeeperOptions`: of each its check, its default and its text. All else about an option comes from here. */
export const optionFields = {
  ...commonFields(Token.isUnresolved),
  logRetentionDays: told(
    z
      .number(retentionRule)
      .refine((days) => retentionDays.some((each) => each === days), retentionRule)
      .default(RetentionDays.ONE_MONTH)
      .transform((days) => days as RetentionDays),
    'Days for which logs are kept.',
  ),
  requestsPerSecond: told(
    z.int().min(1).max(10_000).default(8),
    'The most requests that the API takes in a second, from all callers together; more are answered `429`.',
  ),
  reservedConcurrency: told(
    z.int().min(1).max(1_000).optional(),
    'Calls at once that Lambda [keeps for each](deploy.md#concurrency) of `create`, `refresh` and `drop`, and allows at most.',
    'none',
  ),
  memorySize: told(
    z.int().min(256).max(10_240).default(512),
    'Memory of each function, MB; more helps little.',
  ),
  refreshOnDeploy: told(
    z.boolean().default(false),
    'Whether a deploy that changes code or migrations refreshes all views.',
  ),
  metricsPerView: told(
    z.boolean().default(false),
    'Whether [metrics](monitoring.md#metrics) name each view: up to 0.90 USD a month for one.',
  ),
  eventBus: told(
    z
      .union(
        [
          textOrToken(/^(arn:[\w-]+:events:[\w-]+:\d{12}:event-bus\/)?[\w./-]{1,256}$/, busRule),
          z.literal(false, busRule),
        ],
        busRule,
      )
      .default('default'),
    'The bus that gets the [events for programs](events.md); `false`: no events.',
  ),
  tracing: told(z.boolean().default(false), 'Whether X-Ray traces functions and batches, 5 USD per million.'),
}

/** `ViewkeeperOptions` after validation, with every default filled in. */
export type ValidOptions = z.output<z.ZodObject<typeof optionFields, z.core.$strict>>

/** A mistake in the options. The message is for the person who edits them. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError'
}

/** The options with every default filled in. The error lists all mistakes under the title, each with the name of its field. */
function parseOptions<Schema extends z.ZodType>(
  schema: Schema,
  options: unknown,
  title: string,
): z.output<Schema> {
  const result = schema.safeParse(options, inWords)
  if (result.success) return result.data
  throw new OptionsError([title, ...problemsOf(result.error)].join('\n  '))
}

/** Refuses the props of the construct at a path: `problems` are lines with the name of a prop. */
export function refuseProps(path: string, problems: string[]): never {
  throw new OptionsError([`The props of Viewkeeper ${path} are not valid:`, ...problems].join('\n  '))
}

const secretArn = /^arn:aws[\w-]*:secretsmanager:[\w-]+:\d{12}:secret:.+-[A-Za-z0-9]{6}$/
/** A schema for each field: a field has one text. */
const keyArn = () =>
  textOrToken(/^arn:aws[\w-]*:kms:[\w-]+:\d{12}:key\/.+$/, 'must be the ARN of a KMS key').optional()

const zoneName = textOrToken(/^[a-z0-9-]+$/, 'must look like "eu-central-1a"')
/** With which of the two each function logs in. */
export const authentication = z.enum(['secret', 'iam'])

/** Name of a database inside its server. */
export const databaseName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'must be a plain database name')

export const connectionLimit = told(
  z.int().min(2).max(5_000).optional(),
  "The most connections that [Viewkeeper's role](#connections) may open.",
  "half of the server's `max_connections`",
)

export const rotateSecretDays = told(
  z.int().min(1).max(1000).optional(),
  "Days between changes of the role's password, 1 to 1000.",
  'never',
)

export const certificateAuthority = told(
  textLike(
    /^-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----\s*$/,
    'must be PEM certificates',
  ).optional(),
  "PEM text of the authority of the server's certificate, or of several authorities.",
  'the roots of RDS',
)

/** Whether there is a secret, if one has to be rotated. */
export const hasWhatItRotates = (options: { authentication: 'secret' | 'iam'; rotateSecretDays?: number }) =>
  options.authentication === 'secret' || options.rotateSecretDays === undefined

export const noSecretToRotate = {
  path: ['rotateSecretDays'],
  message: "must be left out: with authentication: 'iam' there is no secret",
}

const resourceIdRule = 'must look like "db-ABCDEFGHIJKL01234" or "cluster-ABCDEFGHIJKL01234"'
const resourceId = textOrToken(/^(db|cluster)-[A-Z0-9]+$/, resourceIdRule)

/** A database that the stack creates, in its own network without any way to the internet. */
const createdDatabase = named(
  'CreatedDatabaseOptions',
  '[Created](created-database.md) by the stack, in a network without a way to the internet.',
  z.strictObject({
    kind: z.literal('created'),
    name: told(
      databaseName.regex(/^[A-Za-z]/, 'must begin with a letter'),
      'Name of the database inside the server.',
    ),
    postgresVersion: told(
      z.enum(['15', '16', '17', '18', '19']).default('18'),
      'Major version ([a newer one](upgrading.md#a-created-database)).',
    ),
    instanceType: told(
      textLike(/^[a-z0-9]+\.[a-z0-9]+$/, 'must look like "t4g.micro"'),
      'Size of the server: `t4g.micro`, `m7g.large`.',
    ),
    storageGiB: told(z.int().min(20).max(65_536).default(20), 'Storage at the start, GiB.'),
    encryptionKeyArn: told(
      keyArn(),
      'KMS key of storage and backups. [A later deploy cannot change it](created-database.md#another-key-for-a-created-database).',
      'the key that AWS manages',
    ),
    maxStorageGiB: told(z.int().min(20).max(65_536).default(100), 'Storage up to which RDS grows it, GiB.'),
    connectionLimit,
    protect: told(
      z.boolean(),
      'Whether RDS refuses to remove the database; a removal then keeps a snapshot.',
    ),
    authentication: told(
      authentication.default('secret'),
      'How functions and master user log in: with a `secret`, or by [`iam`](iam.md).',
    ),
    rotateSecretDays,
  }),
)
  .refine(hasWhatItRotates, noSecretToRotate)
  .refine(({ storageGiB, maxStorageGiB }) => maxStorageGiB >= 1.1 * storageGiB, {
    path: ['maxStorageGiB'],
    message: 'must be at least a tenth more than storageGiB',
  })

const importedVpc = named(
  'ImportedVpcOptions',
  'The network of an imported database.',
  z.strictObject({
    id: told(textOrToken(/^vpc-[0-9a-f]{8,17}$/, 'must look like "vpc-0123456789abcdef0"'), '`vpc-…`'),
    subnetIds: told(
      z.array(textOrToken(/^subnet-[0-9a-f]{8,17}$/, 'must look like "subnet-0123456789abcdef0"')).min(1),
      'Private subnets for the functions, with a route to the database.',
    ),
    availabilityZones: told(z.array(zoneName).min(1), 'The zone of each subnet, in the same order.'),
    addSecretsManagerEndpoint: told(
      z.boolean().optional(),
      'Required with `secret`: whether the stack adds an endpoint for Secrets Manager, 7.30 USD a month for each zone. `false` if ' +
        'the subnets have a NAT or the VPC has an endpoint with private DNS.',
      'none, with `iam`',
    ),
  }),
)

/** The fields that only one of the two ways to log in has, and whether it needs them. */
const fieldsOfAuthentication = [
  ['secret', 'secretArn', true],
  ['secret', 'secretKeyArn', false],
  ['secret', 'vpc.addSecretsManagerEndpoint', true],
  ['iam', 'user', true],
  ['iam', 'resourceId', true],
] as const

/** A database that exists already: RDS, Aurora, or any PostgreSQL that the subnets reach. */
const importedDatabase = named(
  'ImportedDatabaseOptions',
  'RDS, Aurora, or any PostgreSQL that the subnets reach.',
  z.strictObject({
    kind: z.literal('imported'),
    endpoint: told(
      textOrToken(/^[A-Za-z0-9.-]+$/, 'must be a host name without scheme and port'),
      "The host name in the server's certificate, [not a proxy](deploy.md#which-databases).",
    ),
    port: told(z.int().min(1).max(65_535).default(5432), 'Port of the server.'),
    name: told(databaseName, 'Name of the database inside the server.'),
    authentication: told(
      authentication.default('secret'),
      'How functions log in: with `secretArn`, or by [`iam`](iam.md) as `user`.',
    ),
    secretArn: told(
      textOrToken(secretArn, 'must be the whole ARN of a secret, with its last six characters').optional(),
      'Required with `secret`: its whole ARN. It has `username` and `password` of the role.',
      'none, with `iam`',
    ),
    secretKeyArn: told(keyArn(), 'The key that encrypts the secret.', 'the key that AWS manages'),
    user: told(
      textLike(/^[A-Za-z_][A-Za-z0-9_.-]{0,62}$/, 'must be the name of a role').optional(),
      'Required with `iam`: the role, a member of `rds_iam`.',
      'none, with `secret`',
    ),
    resourceId: told(
      z.union([resourceId, z.array(resourceId).min(1, resourceIdRule)], resourceIdRule).optional(),
      'Required with `iam`: `db-…` of the instance or `cluster-…`; in a [blue/green ' +
        'deployment](iam.md#bluegreen-deployments) both.',
      'none, with `secret`',
    ),
    securityGroupId: told(
      textOrToken(/^sg-[0-9a-f]{8,17}$/, 'must look like "sg-0123456789abcdef0"').optional(),
      "The database's security group; the stack adds a rule to it. Either this or `cidr` is required.",
      'none, with `cidr`',
    ),
    cidr: told(
      z.union([z.cidrv4(), z.cidrv6()], 'must look like "203.0.113.7/32" or "2001:db8::/64"').optional(),
      'The addresses of a server that has no security group: `203.0.113.7/32`, or `2001:db8::/64`, which needs subnets with IPv6.',
      'none, with `securityGroupId`',
    ),
    certificateAuthority,
    vpc: told(importedVpc, 'The network of the database.'),
  }),
)
  .refine(({ vpc }) => vpc.subnetIds.length === vpc.availabilityZones.length, {
    path: ['vpc', 'availabilityZones'],
    message: 'must name one zone for each of subnetIds',
  })
  .refine(({ securityGroupId, cidr }) => (securityGroupId === undefined) !== (cidr === undefined), {
    path: ['securityGroupId'],
    message: 'is required, or cidr in its place',
  })
  .superRefine((options, { addIssue }) => {
    const values = { ...options, 'vpc.addSecretsManagerEndpoint': options.vpc.addSecretsManagerEndpoint }
    for (const [way, field, isNeeded] of fieldsOfAuthentication) {
      const isThis = way === options.authentication
      const refuse = (what: string) =>
        addIssue({ code: 'custom', path: field.split('.'), message: `${what} with authentication: '${way}'` })
      if (isThis && isNeeded && values[field] === undefined) refuse('is required')
      if (!isThis && values[field]) refuse('must be left out, it is only for databases')
    }
  })

/** The options of a created database after validation, with every default filled in. */
export type ValidCreatedDatabase = z.output<typeof createdDatabase>

/** The options of an imported database after validation, with every default filled in. */
export type ValidImportedDatabase = z.output<typeof importedDatabase>

/** Validates the options of an imported database. The error lists all mistakes, each with the name of its field. */
export const parseImportedDatabase = (options: ImportedDatabaseOptions): ValidImportedDatabase =>
  parseOptions(importedDatabase, options, 'The options of an imported database are not valid:')

/** One environment: where it is deployed, its database, and all other options. */
export const environment = z.strictObject({
  ...optionFields,
  account: told(
    textLike(/^\d{12}$/, 'must be twelve digits').optional(),
    'AWS account, twelve digits.',
    'that of your credentials',
  ),
  region: told(
    textLike(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must look like "eu-central-1"').optional(),
    'AWS region.',
    'that of your credentials',
  ),
  database: told(
    z.discriminatedUnion('kind', [createdDatabase, importedDatabase]),
    'Created by a stack of its own, or imported.',
  ),
  alarmEmails: told(
    z.array(z.email()),
    'Addresses that get the mails. Each confirms once, by a link. May be empty.',
  ),
  tags: told(
    z.record(z.string().min(1).max(128), z.string().max(256)).default({}),
    'Tags of every resource besides `viewkeeper:environment`.',
    'none',
  ),
})

const environments = z.record(shortName, environment)

/** An environment after validation, with every default filled in. */
export type Environment = z.output<typeof environment>

/**
 * Validates every environment. The error lists all mistakes, each with the name of its field, under the name of the file
 * that has them.
 */
export function parseEnvironments(
  options: unknown,
  file = 'viewkeeper.config.ts',
): Record<string, Environment> {
  return parseOptions(environments, options, `${file} is not valid:`)
}

/** Everything that follows from how often the monitor looks. */
export interface MonitorTimes {
  /** The time between two looks. In each such period of a metric is one look, seldom none or two. */
  interval: Duration
  /** Two such periods in a row without a look are an alarm. */
  silence: Duration
  /** How often Lambda repeats a look that failed: after one minute, and after two more. */
  retries: number
}

/** EventBridge Scheduler calls the monitor up to a minute late. */
const lateMinutes = 1

/**
 * The times of a monitor that looks every 1 to 60 minutes. Null if nothing calls the monitor.
 *
 * CloudWatch evaluates an alarm every minute, on the time before, and mails only if the alarm was quiet in between. An alarm
 * looks at three minutes or more, because a number may reach CloudWatch a minute or two late. After this time the alarm is
 * quiet. The next telling comes at least half an interval later, and never sooner than after five minutes.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation-window.html
 */
export function monitorTimes(everyMinutes: number | false): MonitorTimes | null {
  if (everyMinutes === false) return null
  return {
    interval: Duration.minutes(everyMinutes),
    silence: Duration.minutes(Math.max(5, everyMinutes + lateMinutes)),
    // A look that failed is repeated if the next one is far: a database that has paused for days may take longer to wake than a look waits.
    retries: everyMinutes < 5 ? 0 : 2,
  }
}
