import * as z from 'zod'

const windowPattern = /^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/
const secretArn = /^arn:aws[\w-]*:secretsmanager:[\w-]+:\d{12}:secret:.+-[A-Za-z0-9]{6}$/
const keyArn = /^arn:aws[\w-]*:kms:[\w-]+:\d{12}:key\/.+$/

const databaseName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'must be a plain database name')

/** A database that the stack creates, in its own network without any way to the internet. */
export const createdDatabase = z
  .strictObject({
    kind: z.literal('created'),
    /** Name of the database inside the server. RDS wants a letter at its beginning. */
    name: databaseName.regex(/^[A-Za-z]/, 'must begin with a letter'),
    /** Major version of PostgreSQL; RDS keeps the minor version current. Default 18. */
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
    backupWindow: z.string().regex(windowPattern, 'must look like "01:00-02:00"').optional(),
    /** Whether RDS refuses to remove the database. If it is removed later on, a last snapshot is kept. */
    protect: z.boolean(),
  })
  .refine(({ storageGiB, maxStorageGiB }) => maxStorageGiB >= 1.1 * storageGiB, {
    path: ['maxStorageGiB'],
    message: 'must be at least a tenth more than storageGiB',
  })

/** The network of an imported database. */
const importedVpc = z.strictObject({
  /** `vpc-…` */
  id: z.string().regex(/^vpc-[0-9a-f]{8,17}$/, 'must look like "vpc-0123456789abcdef0"'),
  /** Private subnets for the functions, `subnet-…`; they need a route to the database. */
  subnetIds: z
    .array(z.string().regex(/^subnet-[0-9a-f]{8,17}$/, 'must look like "subnet-0123456789abcdef0"'))
    .min(1),
  /** The zone of each subnet, in the same order. */
  availabilityZones: z.array(z.string().regex(/^[a-z0-9-]+$/, 'must look like "eu-central-1a"')).min(1),
  /**
   * Whether the stack adds an interface endpoint for Secrets Manager (about 7.30 USD a month for each zone).
   * True if the subnets have no NAT. False if they have one, or if the VPC has this endpoint already: the
   * private DNS names of two endpoints would collide.
   */
  addSecretsManagerEndpoint: z.boolean(),
})

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
     * The whole ARN of a secret with at least `username` and `password` of the role that Viewkeeper works
     * with.
     */
    secretArn: z.string().regex(secretArn, 'must be the whole ARN of a secret, with its last six characters'),
    /** The customer key that encrypts the secret. Default: the key that AWS manages. */
    secretKeyArn: z.string().regex(keyArn, 'must be the ARN of a KMS key').optional(),
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

export type CreatedDatabaseOptions = z.output<typeof createdDatabase>
export type ImportedDatabaseOptions = z.output<typeof importedDatabase>
