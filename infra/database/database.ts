import type { IConnectable, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2'
import type { IGrantable } from 'aws-cdk-lib/aws-iam'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import type { IDependable } from 'constructs'

/** The database that the functions work on, created or imported. */
export interface Database extends IConnectable, IDependable {
  host: string
  port: number
  /** Name of the database inside the server. */
  databaseName: string
  /** Username and password of the role that Viewkeeper works with. */
  secret: ISecret
  /** Lets a principal read the secret of the role. */
  grantRead(grantee: IGrantable): void
  /** The master user's secret, if the stack created the database. */
  adminSecret?: ISecret
  /** PEM text, if an authority other than RDS signed the server's certificate. */
  certificateAuthority?: string
  vpc: IVpc
  /** Private subnets for the functions. */
  subnets: ISubnet[]
  /**
   * The subnets that get an endpoint of Secrets Manager; empty if the subnets reach Secrets Manager without
   * one.
   */
  endpointSubnets: ISubnet[]
}

/** The environment variables that tell a function where the database is. */
export const databaseVariables = (database: Database): Record<string, string> => ({
  DATABASE_SECRET_ARN: database.secret.secretArn,
  DATABASE_HOST: database.host,
  DATABASE_PORT: String(database.port),
  DATABASE_NAME: database.databaseName,
  ...(database.certificateAuthority && { DATABASE_CA: database.certificateAuthority }),
})
