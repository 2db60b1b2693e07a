import * as z from 'zod'
import { privateCidr } from './ranges.ts'
import { backupWindow, maintenanceWindow, windowsOverlap } from './windows.ts'

const secretArn = /^arn:aws[\w-]*:secretsmanager:[\w-]+:\d{12}:secret:.+-[A-Za-z0-9]{6}$/
const keyArn = /^arn:aws[\w-]*:kms:[\w-]+:\d{12}:key\/.+$/

const zoneName = z.string().regex(/^[a-z0-9-]+$/, 'must look like "eu-central-1a"')
/** With which of the two each function logs in. */
const authentication = z.enum(['secret', 'iam'])

const databaseName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'must be a plain database name')

/** A database that the stack creates, in its own network without any way to the internet. */
export const createdDatabase = z
  .strictObject({
    kind: z.literal('created'),
    /** Name of the database inside the server. RDS wants a letter at its beginning. */
    name: databaseName.regex(/^[A-Za-z]/, 'must begin with a letter'),
    /**
     * Major version of PostgreSQL; RDS keeps the minor version current. Default 18. A deploy with a newer one upgrades
     * the server only if it says so, too: `-c upgradeTo=18`.
     */
    postgresVersion: z.enum(['15', '16', '17', '18']).default('18'),
    /** Size of the server, without the leading `db.`: `t4g.micro`, `m7g.large`. */
    instanceType: z.string().regex(/^[a-z0-9]+\.[a-z0-9]+$/, 'must look like "t4g.micro"'),
    /** Storage at the start, GiB. Default 20. */
    storageGiB: z.int().min(20).max(65_536).default(20),
    /** Storage up to which RDS may grow it by itself, GiB. Default 100. */
    maxStorageGiB: z.int().min(20).max(65_536).default(100),
    /** Whether there is a standby in a second zone, at about twice the price. Default false. */
    multiAz: z.boolean().default(false),
    /** Days for which automatic backups are kept. Default 7. */
    backupDays: z.int().min(1).max(35).default(7),
    /**
     * Daily time of the backup, UTC, `hh:mm-hh:mm`; keep it away from the schedules. Default: RDS chooses.
     */
    backupWindow: backupWindow.optional(),
    /**
     * Weekly time at which RDS may restart the server for its maintenance, UTC, `Sun:03:00-Sun:04:00`; keep it away
     * from the schedules. Default: RDS chooses.
     */
    maintenanceWindow: maintenanceWindow.optional(),
    /**
     * How much Database Insights shows of the server's load: `standard` keeps 7 days and costs nothing, `advanced`
     * keeps 15 months and plans, and costs about 9 USD a month for each processor. Default `standard`.
     */
    databaseInsights: z.enum(['standard', 'advanced']).default('standard'),
    /**
     * The addresses of the network. AWS cannot peer two networks whose addresses overlap. A deploy cannot change them
     * later. Default `10.0.0.0/16`.
     */
    cidr: privateCidr.default('10.0.0.0/16'),
    /**
     * The zones of the network, two to four names. Default: the first two zones that AWS lists, in an order that AWS
     * does not guarantee.
     */
    availabilityZones: z
      .array(zoneName)
      .min(2)
      .max(4)
      .refine((names) => new Set(names).size === names.length, 'must name each zone once')
      .optional(),
    /**
     * The most connections that Viewkeeper's role may open; the rest stays for others. Each deploy that migrates sets the limit.
     * Default: half of the server's `max_connections`.
     */
    connectionLimit: z.int().min(2).max(5_000).optional(),
    /** Whether RDS refuses to remove the database. If it is removed later on, a last snapshot is kept. */
    protect: z.boolean(),
    /**
     * How the functions and the master user log in. `secret`: with a password from Secrets Manager. `iam`: with a token
     * that each function signs itself, so there is no secret, and no endpoint of Secrets Manager to pay for. RDS needs
     * 300 to 1,000 MiB of memory for `iam`. Default `secret`.
     */
    authentication: authentication.default('secret'),
    /** Days after which the password of Viewkeeper's role is changed, 1 to 1000. Default: never. */
    rotateSecretDays: z.int().min(1).max(1000).optional(),
  })
  .refine((options) => options.authentication === 'secret' || options.rotateSecretDays === undefined, {
    path: ['rotateSecretDays'],
    message: "must be left out: with authentication: 'iam' there is no secret",
  })
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
  /** `vpc-…` */
  id: z.string().regex(/^vpc-[0-9a-f]{8,17}$/, 'must look like "vpc-0123456789abcdef0"'),
  /** Private subnets for the functions, `subnet-…`; they need a route to the database. */
  subnetIds: z
    .array(z.string().regex(/^subnet-[0-9a-f]{8,17}$/, 'must look like "subnet-0123456789abcdef0"'))
    .min(1),
  /** The zone of each subnet, in the same order. */
  availabilityZones: z.array(zoneName).min(1),
  /**
   * Whether the stack adds an interface endpoint for Secrets Manager (about 7.30 USD a month for each zone).
   * True if the subnets have no NAT. False if they have one, or if the VPC has this endpoint already: the
   * private DNS names of two endpoints would collide. Required, but left out with `authentication: 'iam'`.
   */
  addSecretsManagerEndpoint: z.boolean().optional(),
})

/** The role that Viewkeeper works with on an imported database, and how the role logs in. */
type ImportedLogin =
  | { secretArn: string; secretKeyArn: string | undefined }
  | { user: string; resourceId: string }

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
    /**
     * The host name in the server's certificate. Not a proxy: a proxy ends a run when the caller of the run
     * leaves.
     */
    endpoint: z.string().regex(/^[A-Za-z0-9.-]+$/, 'must be a host name without scheme and port'),
    /** Default 5432. */
    port: z.int().min(1).max(65_535).default(5432),
    /** Name of the database inside the server. */
    name: databaseName,
    /**
     * How the functions log in. `secret`: with the password in `secretArn`. `iam`: as `user`, with a token that each
     * function signs itself. Default `secret`.
     */
    authentication: authentication.default('secret'),
    /**
     * With `secret`: the whole ARN of a secret with at least `username` and `password` of the role that Viewkeeper
     * works with.
     */
    secretArn: z
      .string()
      .regex(secretArn, 'must be the whole ARN of a secret, with its last six characters')
      .optional(),
    /** The customer key that encrypts the secret. Default: the key that AWS manages. */
    secretKeyArn: z.string().regex(keyArn, 'must be the ARN of a KMS key').optional(),
    /** With `iam`: the role that Viewkeeper works with, a member of `rds_iam`. */
    user: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,62}$/, 'must be the name of a role')
      .optional(),
    /** With `iam`: the resource id of the instance (`db-…`) or of the Aurora cluster (`cluster-…`). */
    resourceId: z
      .string()
      .regex(
        /^(db|cluster)-[A-Z0-9]+$/,
        'must look like "db-ABCDEFGHIJKL01234" or "cluster-ABCDEFGHIJKL01234"',
      )
      .optional(),
    /** The database's security group; the stack adds one rule that lets the functions in. */
    securityGroupId: z.string().regex(/^sg-[0-9a-f]{8,17}$/, 'must look like "sg-0123456789abcdef0"'),
    /**
     * PEM text of the authority that signed the server's certificate. Default: the roots of RDS. At most
     * 2,500 characters, because it is in an environment variable, and all variables of a function have 4 KB.
     */
    certificateAuthority: z
      .string()
      .regex(/^-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----\s*$/, 'must be a PEM certificate')
      .max(2_500)
      .optional(),
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
  .transform(({ authentication, secretArn, secretKeyArn, user, resourceId, ...options }) => {
    const login: ImportedLogin =
      authentication === 'iam'
        ? { user: user as string, resourceId: resourceId as string }
        : { secretArn: secretArn as string, secretKeyArn }
    return { ...options, login }
  })

export type CreatedDatabaseOptions = z.output<typeof createdDatabase>
export type ImportedDatabaseOptions = z.output<typeof importedDatabase>
