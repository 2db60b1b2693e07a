import * as z from 'zod'
import { textLike as like } from '../../src/config/fields.ts'
import type { ImportedDatabaseOptions } from '../../src/config/options.ts'
import { named, told } from '../../src/config/told.ts'
import { parseOptions, textLike } from './valid-options.ts'

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
  "The most connections that [Viewkeeper's role](#connections) may open.",
  "half of the server's `max_connections`",
)

export const rotateSecretDays = told(
  z.int().min(1).max(1000).optional(),
  "Days between changes of the role's password, 1 to 1000.",
  'never',
)

export const certificateAuthority = told(
  like(
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
const resourceId = textLike(/^(db|cluster)-[A-Z0-9]+$/, resourceIdRule)

/** A database that the stack creates, in its own network without any way to the internet. */
export const createdDatabase = named(
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
      like(/^[a-z0-9]+\.[a-z0-9]+$/, 'must look like "t4g.micro"'),
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
    id: told(textLike(/^vpc-[0-9a-f]{8,17}$/, 'must look like "vpc-0123456789abcdef0"'), '`vpc-…`'),
    subnetIds: told(
      z.array(textLike(/^subnet-[0-9a-f]{8,17}$/, 'must look like "subnet-0123456789abcdef0"')).min(1),
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
export const importedDatabase = named(
  'ImportedDatabaseOptions',
  'RDS, Aurora, or any PostgreSQL that the subnets reach.',
  z.strictObject({
    kind: z.literal('imported'),
    endpoint: told(
      textLike(/^[A-Za-z0-9.-]+$/, 'must be a host name without scheme and port'),
      "The host name in the server's certificate, [not a proxy](deploy.md#which-databases).",
    ),
    port: told(z.int().min(1).max(65_535).default(5432), 'Port of the server.'),
    name: told(databaseName, 'Name of the database inside the server.'),
    authentication: told(
      authentication.default('secret'),
      'How functions log in: with `secretArn`, or by [`iam`](iam.md) as `user`.',
    ),
    secretArn: told(
      textLike(secretArn, 'must be the whole ARN of a secret, with its last six characters').optional(),
      'Required with `secret`: its whole ARN. It has `username` and `password` of the role.',
      'none, with `iam`',
    ),
    secretKeyArn: told(keyArn(), 'The key that encrypts the secret.', 'the key that AWS manages'),
    user: told(
      like(/^[A-Za-z_][A-Za-z0-9_.-]{0,62}$/, 'must be the name of a role').optional(),
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
      textLike(/^sg-[0-9a-f]{8,17}$/, 'must look like "sg-0123456789abcdef0"').optional(),
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
