import type { Duration } from 'aws-cdk-lib'
import type { IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2'
import type { IDatabaseCluster, IDatabaseInstance } from 'aws-cdk-lib/aws-rds'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'

/** A PostgreSQL of your own app: an instance of RDS or a cluster of Aurora, made by the app or imported into it. */
export interface RdsOptions {
  /**
   * The server. Viewkeeper adds one rule to its security group, and reads its secret. Not a proxy: a proxy ends a run when
   * the caller of the run leaves.
   */
  database: IDatabaseInstance | IDatabaseCluster
  /** Name of the database inside the server. */
  databaseName: string
  /** The network of the functions; they need a route to the server. */
  vpc: IVpc
  /**
   * The subnets of the functions: private ones, in which the functions reach Secrets Manager by a NAT or an endpoint.
   * @default - the private subnets with a way out; without any, the isolated ones
   */
  vpcSubnets?: SubnetSelection
  /**
   * How the functions log in. `secret`: with a password from Secrets Manager. `iam`: with a token that each function signs
   * itself; it needs `loginUser`, or `adminSecret`. The construct switches IAM on for a server of the app. RDS needs 300 to
   * 1,000 MiB of memory for `iam`.
   * @default 'secret'
   */
  authentication?: 'secret' | 'iam'
  /**
   * The `username` and `password` of an administrator, with which `migrate` makes Viewkeeper's role whenever a deploy calls
   * it. With `iam` and PostgreSQL 16 or later, the administrator becomes a member of `rds_iam` by making the role, and RDS may
   * then refuse the administrator's password.
   * @default - the server's own secret; none with `loginSecret` or `iam`
   */
  adminSecret?: ISecret
  /**
   * With `authentication: 'secret'`: the `username` and `password` of the role that Viewkeeper works with. Without
   * `adminSecret`, the role is one that `npx viewkeeper create-role` has made.
   * @default - a new secret, of role `viewkeeper_app_<environmentName>`, which `migrate` makes
   */
  loginSecret?: ISecret
  /**
   * With `authentication: 'iam'`: the role that Viewkeeper works with. Without `adminSecret`, the role is one that
   * `npx viewkeeper create-role --iam` has made.
   * @default - with `adminSecret`: role `viewkeeper_iam_<environmentName>`, which `migrate` makes
   */
  loginUser?: string
  /**
   * The most connections that Viewkeeper's role may open, if `migrate` makes the role; the rest stays for others.
   * @default - half of the server's `max_connections`
   */
  connectionLimit?: number
  /**
   * The time after which the password in the login's secret is changed, 1 to 1000 days.
   * @default - never
   */
  rotateSecretEvery?: Duration
  /**
   * PEM text of the authority that signed the server's certificate, at most 2,500 characters.
   * @default - the roots of RDS
   */
  certificateAuthority?: string
  /**
   * Whether the construct adds an interface endpoint of Secrets Manager to `vpc` (about 7.30 USD a month for each zone),
   * which lets in the functions and nobody else. It has no private DNS, so the rest of the VPC does not notice it.
   * @default false
   */
  addSecretsManagerEndpoint?: boolean
}
