import * as z from 'zod'
import type { ImportedDatabaseOptions } from '../../src/config/options.ts'
import { named, told } from '../../src/config/told.ts'
import { inWords, OptionsError, problemsOf, textLike } from './valid-options.ts'

const secretArn = /^arn:aws[\w-]*:secretsmanager:[\w-]+:\d{12}:secret:.+-[A-Za-z0-9]{6}$/
/** A schema for each field: a field has one text. */
const keyArn = () =>
  textLike(/^arn:aws[\w-]*:kms:[\w-]+:\d{12}:key\/.+$/, 'must be the ARN of a KMS key').optional()

const zoneName = textLike(/^[a-z0-9-]+$/, 'must look like "eu-central-1a"')
/** With which of the two each function logs in. */
export const authentication = z.enum(['secret', 'iam'])

/** Name of a database inside its server. */
export const databaseName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'must be a plain database name')

export const connectionLimit = told(
  z.int().min(2).max(5_000).optional(),
  "The most connections that [Viewkeeper's role](#connections) may open; the rest stays for others. Each deploy that migrates " +
    'sets the limit.',
  "half of the server's `max_connections`",
)

export const rotateSecretDays = told(
  z.int().min(1).max(1000).optional(),
  "Days after which the password of Viewkeeper's role is changed, 1 to 1000.",
  'never',
)

export const certificateAuthority = told(
  z
    .string()
    .regex(/^-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----\s*$/, 'must be a PEM certificate')
    .max(2_500)
    .optional(),
  "PEM text of the authority that signed the server's certificate. At most 2,500 characters, because it is in an environment " +
    'variable, and all variables of a function have 4 KB.',
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
const resourceId = textLike(/^(db|cluster)-[A-Z0-9]+$/, resourceIdRule)

/** A database that the stack creates, in its own network without any way to the internet. */
export const createdDatabase = named(
  'CreatedDatabaseOptions',
  'A database that the stack creates, in its own network without any way to the internet.',
  z.strictObject({
    kind: z.literal('created'),
    name: told(
      databaseName.regex(/^[A-Za-z]/, 'must begin with a letter'),
      'Name of the database inside the server. RDS wants a letter at its beginning.',
    ),
    postgresVersion: told(
      z.enum(['15', '16', '17', '18', '19']).default('18'),
      'Major version of PostgreSQL, if RDS offers it; RDS keeps the minor version current. [A deploy with a newer ' +
        'one](major-versions.md#a-created-database) upgrades the server only if the deploy says so, too: ' +
        '`-c upgradeTo=18`.',
    ),
    instanceType: told(
      z.string().regex(/^[a-z0-9]+\.[a-z0-9]+$/, 'must look like "t4g.micro"'),
      'Size of the server, without the leading `db.`: `t4g.micro`, `m7g.large`.',
    ),
    storageGiB: told(z.int().min(20).max(65_536).default(20), 'Storage at the start, GiB.'),
    encryptionKeyArn: told(
      keyArn(),
      'The KMS key that encrypts storage and backups. Say it before the first deploy: a server keeps its key, and [a deploy with another ' +
        'one is refused](created-database.md#another-key-for-a-created-database).',
      'the key that AWS manages',
    ),
    maxStorageGiB: told(
      z.int().min(20).max(65_536).default(100),
      'Storage up to which RDS may grow it by itself, GiB.',
    ),
    multiAz: told(
      z.boolean().default(false),
      'Whether there is a standby in a second zone, at about twice the price.',
    ),
    backupDays: told(
      z.int().min(1).max(35).default(7),
      'Days for which automatic backups are kept, 1 to 35.',
    ),
    connectionLimit,
    protect: told(
      z.boolean(),
      'Whether RDS refuses to remove the database. If it is removed later on, a last snapshot is kept.',
    ),
    authentication: told(
      authentication.default('secret'),
      'How the functions and the master user log in. `secret`: with a password from Secrets Manager. `iam`: with [a ' +
        'token](iam.md) that each function signs itself, so there is no secret, and no endpoint of Secrets ' +
        'Manager to pay for. RDS needs 300 to 1,000 MiB of memory for `iam`.',
    ),
    greenResourceId: told(
      resourceId.optional(),
      'With `iam`, before the switchover of a [blue/green deployment](iam.md#bluegreen-deployments): the resource id of the green server.',
      'none',
    ),
    rotateSecretDays,
  }),
)
  .refine(
    ({ authentication, greenResourceId }) => authentication === 'iam' || greenResourceId === undefined,
    {
      path: ['greenResourceId'],
      message: "must be left out, it is only for databases with authentication: 'iam'",
    },
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
    id: told(textLike(/^vpc-[0-9a-f]{8,17}$/, 'must look like "vpc-0123456789abcdef0"'), '`vpc-…`'),
    subnetIds: told(
      z.array(textLike(/^subnet-[0-9a-f]{8,17}$/, 'must look like "subnet-0123456789abcdef0"')).min(1),
      'Private subnets for the functions, `subnet-…`; they need a route to the database.',
    ),
    availabilityZones: told(z.array(zoneName).min(1), 'The zone of each subnet, in the same order.'),
    addSecretsManagerEndpoint: told(
      z.boolean().optional(),
      'Whether the stack adds an interface endpoint for Secrets Manager (about 7.30 USD a month for each zone). True if the ' +
        'subnets have no NAT. False if they have one, or if the VPC has an endpoint with private DNS that lets the functions in. ' +
        "The added endpoint has no private DNS, so the rest of the VPC does not notice it. Required, but left out with `authentication: 'iam'`.",
      'none, with `iam`',
    ),
  }),
)

/** The fields of an imported database that only one of the two ways to log in has. */
const fieldsOfAuthentication: ['secret' | 'iam', string[], { required: boolean }][] = [
  ['secret', ['secretArn'], { required: true }],
  ['secret', ['secretKeyArn'], { required: false }],
  ['secret', ['vpc', 'addSecretsManagerEndpoint'], { required: true }],
  ['iam', ['user'], { required: true }],
  ['iam', ['resourceId'], { required: true }],
]

/** A database that exists already: RDS, Aurora, or any PostgreSQL that the VPC reaches. */
export const importedDatabase = named(
  'ImportedDatabaseOptions',
  'A database that exists already: RDS, Aurora, or any PostgreSQL that the VPC reaches.',
  z.strictObject({
    kind: z.literal('imported'),
    endpoint: told(
      textLike(/^[A-Za-z0-9.-]+$/, 'must be a host name without scheme and port'),
      "The host name in the server's certificate. Not a proxy: a proxy ends a run when the caller of the run leaves.",
    ),
    port: told(z.int().min(1).max(65_535).default(5432), 'Port of the server.'),
    name: told(databaseName, 'Name of the database inside the server.'),
    authentication: told(
      authentication.default('secret'),
      'How the functions log in. `secret`: with the password in `secretArn`. `iam`: as `user`, with [a ' +
        'token](iam.md) that each function signs itself.',
    ),
    secretArn: told(
      textLike(secretArn, 'must be the whole ARN of a secret, with its last six characters').optional(),
      'With `secret`, where it is required: the whole ARN of a secret with at least `username` and `password` of the role that ' +
        'Viewkeeper works with.',
      'none, with `iam`',
    ),
    secretKeyArn: told(keyArn(), 'The customer key that encrypts the secret.', 'the key that AWS manages'),
    user: told(
      z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,62}$/, 'must be the name of a role')
        .optional(),
      'With `iam`, where it is required: the role that Viewkeeper works with, a member of `rds_iam`.',
      'none, with `secret`',
    ),
    resourceId: told(
      z.union([resourceId, z.array(resourceId).min(1, resourceIdRule)], resourceIdRule).optional(),
      'With `iam`, where it is required: the resource id of the instance (`db-…`) or of the Aurora cluster (`cluster-…`); for a ' +
        '[blue/green deployment](iam.md#bluegreen-deployments), those of both servers.',
      'none, with `secret`',
    ),
    securityGroupId: told(
      textLike(/^sg-[0-9a-f]{8,17}$/, 'must look like "sg-0123456789abcdef0"'),
      "The database's security group; the stack adds one rule that lets the functions in.",
    ),
    certificateAuthority,
    vpc: told(importedVpc, 'The network of the database.'),
  }),
)
  .refine(({ vpc }) => vpc.subnetIds.length === vpc.availabilityZones.length, {
    path: ['vpc', 'availabilityZones'],
    message: 'must name one zone for each of subnetIds',
  })
  .superRefine((options, { addIssue }) => {
    for (const [way, path, { required }] of fieldsOfAuthentication) {
      const value = path.reduce<unknown>((part, key) => (part as Record<string, unknown>)[key], options)
      const isMissing = required && way === options.authentication && value === undefined
      const isTooMuch = way !== options.authentication && value !== undefined && value !== false
      if (isMissing || isTooMuch) {
        const message = `${isMissing ? 'is required' : 'must be left out, it is only for databases'} with authentication: '${way}'`
        addIssue({ code: 'custom', path, message })
      }
    }
  })

/** The options of a created database after validation, with every default filled in. */
export type ValidCreatedDatabase = z.output<typeof createdDatabase>

/** The options of an imported database after validation, with every default filled in. */
export type ValidImportedDatabase = z.output<typeof importedDatabase>

/** Validates the options of an imported database. The error lists all mistakes, each with the name of its field. */
export function parseImportedDatabase(options: ImportedDatabaseOptions): ValidImportedDatabase {
  const result = importedDatabase.safeParse(options, inWords)
  if (result.success) return result.data
  throw new OptionsError(
    ['The options of an imported database are not valid:', ...problemsOf(result.error)].join('\n  '),
  )
}
