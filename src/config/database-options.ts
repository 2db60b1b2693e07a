/** A database that the stack creates, in its own network without any way to the internet. */
export interface CreatedDatabaseOptions {
  kind: 'created'
  /** Name of the database inside the server. RDS wants a letter at its beginning. */
  name: string
  /**
   * Major version of PostgreSQL; RDS keeps the minor version current. A deploy with a newer one upgrades the server only if
   * the deploy says so, too: `-c upgradeTo=18`.
   * @default '18'
   */
  postgresVersion?: '15' | '16' | '17' | '18'
  /** Size of the server, without the leading `db.`: `t4g.micro`, `m7g.large`. */
  instanceType: string
  /**
   * Storage at the start, GiB.
   * @default 20
   */
  storageGiB?: number
  /**
   * Storage up to which RDS may grow it by itself, GiB.
   * @default 100
   */
  maxStorageGiB?: number
  /**
   * Whether there is a standby in a second zone, at about twice the price.
   * @default false
   */
  multiAz?: boolean
  /**
   * Days for which automatic backups are kept.
   * @default 7
   */
  backupDays?: number
  /**
   * Daily time of the backup, UTC, `hh:mm-hh:mm`; keep it away from the schedules.
   * @default - RDS chooses
   */
  backupWindow?: string
  /**
   * Weekly time at which RDS may restart the server for its maintenance, UTC, `Sun:03:00-Sun:04:00`; keep it away from the
   * schedules.
   * @default - RDS chooses
   */
  maintenanceWindow?: string
  /**
   * How much Database Insights shows of the server's load: `standard` keeps 7 days and costs nothing, `advanced` keeps 15
   * months and plans, and costs about 9 USD a month for each processor.
   * @default 'standard'
   */
  databaseInsights?: 'standard' | 'advanced'
  /**
   * The addresses of the network. AWS cannot peer two networks whose addresses overlap. A deploy cannot change them later.
   * @default '10.0.0.0/16'
   */
  cidr?: string
  /**
   * The zones of the network, two to four names.
   * @default - the first two zones that AWS lists, in an order that AWS does not guarantee
   */
  availabilityZones?: string[]
  /**
   * The most connections that Viewkeeper's role may open; the rest stays for others. Each deploy that migrates sets the
   * limit.
   * @default - half of the server's `max_connections`
   */
  connectionLimit?: number
  /** Whether RDS refuses to remove the database. If it is removed later on, a last snapshot is kept. */
  protect: boolean
  /**
   * How the functions and the master user log in. `secret`: with a password from Secrets Manager. `iam`: with a token that
   * each function signs itself, so there is no secret, and no endpoint of Secrets Manager to pay for. RDS needs 300 to 1,000
   * MiB of memory for `iam`.
   * @default 'secret'
   */
  authentication?: 'secret' | 'iam'
  /**
   * Days after which the password of Viewkeeper's role is changed, 1 to 1000.
   * @default - never
   */
  rotateSecretDays?: number
}

/** A database that exists already: RDS, Aurora, or any PostgreSQL that the VPC reaches. */
export interface ImportedDatabaseOptions {
  kind: 'imported'
  /** The host name in the server's certificate. Not a proxy: a proxy ends a run when the caller of the run leaves. */
  endpoint: string
  /**
   * Port of the server.
   * @default 5432
   */
  port?: number
  /** Name of the database inside the server. */
  name: string
  /**
   * How the functions log in. `secret`: with the password in `secretArn`. `iam`: as `user`, with a token that each function
   * signs itself.
   * @default 'secret'
   */
  authentication?: 'secret' | 'iam'
  /**
   * With `secret`, where it is required: the whole ARN of a secret with at least `username` and `password` of the role that
   * Viewkeeper works with.
   * @default - none, with `iam`
   */
  secretArn?: string
  /**
   * The customer key that encrypts the secret.
   * @default - the key that AWS manages
   */
  secretKeyArn?: string
  /**
   * With `iam`, where it is required: the role that Viewkeeper works with, a member of `rds_iam`.
   * @default - none, with `secret`
   */
  user?: string
  /**
   * With `iam`, where it is required: the resource id of the instance (`db-…`) or of the Aurora cluster (`cluster-…`).
   * @default - none, with `secret`
   */
  resourceId?: string
  /** The database's security group; the stack adds one rule that lets the functions in. */
  securityGroupId: string
  /**
   * PEM text of the authority that signed the server's certificate. At most 2,500 characters, because it is in an environment
   * variable, and all variables of a function have 4 KB.
   * @default - the roots of RDS
   */
  certificateAuthority?: string
  /** The network of the database. */
  vpc: ImportedVpcOptions
}

/** The network of an imported database. */
export interface ImportedVpcOptions {
  /** `vpc-…` */
  id: string
  /** Private subnets for the functions, `subnet-…`; they need a route to the database. */
  subnetIds: string[]
  /** The zone of each subnet, in the same order. */
  availabilityZones: string[]
  /**
   * Whether the stack adds an interface endpoint for Secrets Manager (about 7.30 USD a month for each zone). True if the
   * subnets have no NAT. False if they have one, or if the VPC has an endpoint with private DNS that lets the functions in.
   * The added endpoint has no private DNS, so the rest of the VPC does not notice it. Required, but left out with
   * `authentication: 'iam'`.
   * @default - none, with `iam`
   */
  addSecretsManagerEndpoint?: boolean
}
