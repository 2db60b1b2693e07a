import * as z from 'zod'
import type { ImportedDatabaseOptions } from '../../src/config/database-options.ts'
import { privateCidr } from './ranges.ts'
import { inWords, OptionsError, problemsOf, textLike } from './valid-options.ts'
import { backupWindow, maintenanceWindow, windowsOverlap } from './windows.ts'

const secretArn = /^arn:aws[\w-]*:secretsmanager:[\w-]+:\d{12}:secret:.+-[A-Za-z0-9]{6}$/
const keyArn = /^arn:aws[\w-]*:kms:[\w-]+:\d{12}:key\/.+$/

const zoneName = textLike(/^[a-z0-9-]+$/, 'must look like "eu-central-1a"')
/** With which of the two each function logs in. */
export const authentication = z.enum(['secret', 'iam'])

/** Name of a database inside its server. */
export const databaseName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'must be a plain database name')

export const connectionLimit = z.int().min(2).max(5_000).optional()

export const rotateSecretDays = z.int().min(1).max(1000).optional()

export const certificateAuthority = z
  .string()
  .regex(/^-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----\s*$/, 'must be a PEM certificate')
  .max(2_500)
  .optional()

/** Whether there is a secret, if one has to be rotated. */
export const hasWhatItRotates = (options: { authentication: 'secret' | 'iam'; rotateSecretDays?: number }) =>
  options.authentication === 'secret' || options.rotateSecretDays === undefined

export const noSecretToRotate = {
  path: ['rotateSecretDays'],
  message: "must be left out: with authentication: 'iam' there is no secret",
}

/** A database that the stack creates, in its own network without any way to the internet. */
export const createdDatabase = z
  .strictObject({
    kind: z.literal('created'),
    name: databaseName.regex(/^[A-Za-z]/, 'must begin with a letter'),
    postgresVersion: z.enum(['15', '16', '17', '18']).default('18'),
    instanceType: z.string().regex(/^[a-z0-9]+\.[a-z0-9]+$/, 'must look like "t4g.micro"'),
    storageGiB: z.int().min(20).max(65_536).default(20),
    maxStorageGiB: z.int().min(20).max(65_536).default(100),
    multiAz: z.boolean().default(false),
    backupDays: z.int().min(1).max(35).default(7),
    backupWindow: backupWindow.optional(),
    maintenanceWindow: maintenanceWindow.optional(),
    databaseInsights: z.enum(['standard', 'advanced']).default('standard'),
    cidr: privateCidr.default('10.0.0.0/16'),
    availabilityZones: z
      .array(zoneName)
      .min(2)
      .max(4)
      .refine((names) => new Set(names).size === names.length, 'must name each zone once')
      .optional(),
    connectionLimit,
    protect: z.boolean(),
    authentication: authentication.default('secret'),
    rotateSecretDays,
  })
  .refine(hasWhatItRotates, noSecretToRotate)
  .refine(({ storageGiB, maxStorageGiB }) => maxStorageGiB >= 1.1 * storageGiB, {
    path: ['maxStorageGiB'],
    message: 'must be at least a tenth more than storageGiB',
  })
  .refine(
    ({ backupWindow: daily, maintenanceWindow: weekly }) =>
      !daily || !weekly || !windowsOverlap(daily, weekly),
    { path: ['maintenanceWindow'], message: 'must not overlap backupWindow' },
  )

/** The network of an imported database. */
const importedVpc = z.strictObject({
  id: textLike(/^vpc-[0-9a-f]{8,17}$/, 'must look like "vpc-0123456789abcdef0"'),
  subnetIds: z.array(textLike(/^subnet-[0-9a-f]{8,17}$/, 'must look like "subnet-0123456789abcdef0"')).min(1),
  availabilityZones: z.array(zoneName).min(1),
  addSecretsManagerEndpoint: z.boolean().optional(),
})

/** The fields of an imported database that only one of the two ways to log in has. */
const fieldsOfAuthentication: ['secret' | 'iam', string[], { required: boolean }][] = [
  ['secret', ['secretArn'], { required: true }],
  ['secret', ['secretKeyArn'], { required: false }],
  ['secret', ['vpc', 'addSecretsManagerEndpoint'], { required: true }],
  ['iam', ['user'], { required: true }],
  ['iam', ['resourceId'], { required: true }],
]

/** A database that exists already: RDS, Aurora, or any PostgreSQL that the VPC reaches. */
export const importedDatabase = z
  .strictObject({
    kind: z.literal('imported'),
    endpoint: textLike(/^[A-Za-z0-9.-]+$/, 'must be a host name without scheme and port'),
    port: z.int().min(1).max(65_535).default(5432),
    name: databaseName,
    authentication: authentication.default('secret'),
    secretArn: textLike(
      secretArn,
      'must be the whole ARN of a secret, with its last six characters',
    ).optional(),
    secretKeyArn: textLike(keyArn, 'must be the ARN of a KMS key').optional(),
    user: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,62}$/, 'must be the name of a role')
      .optional(),
    resourceId: textLike(
      /^(db|cluster)-[A-Z0-9]+$/,
      'must look like "db-ABCDEFGHIJKL01234" or "cluster-ABCDEFGHIJKL01234"',
    ).optional(),
    securityGroupId: textLike(/^sg-[0-9a-f]{8,17}$/, 'must look like "sg-0123456789abcdef0"'),
    certificateAuthority,
    vpc: importedVpc,
  })
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
