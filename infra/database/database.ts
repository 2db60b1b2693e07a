import type { IConnectable, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2'
import type { IGrantable } from 'aws-cdk-lib/aws-iam'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import type { IDependable } from 'constructs'

/** The database that the functions work in, wherever it comes from. */
export interface Database extends IConnectable, IDependable {
  host: string
  port: number
  /** Name of the database inside the server. */
  databaseName: string
  /** Username and password of the role that Viewkeeper works with. */
  secret: ISecret
  /** Lets somebody read that secret. */
  grantRead(grantee: IGrantable): void
  /** The master user's secret; only there where the stack created the database. */
  adminSecret?: ISecret
  /** PEM text; only there where the server's certificate is not signed by the roots of RDS. */
  certificateAuthority?: string
  vpc: IVpc
  /** Private subnets for the functions. */
  subnets: ISubnet[]
  /** Subnets that get an endpoint of Secrets Manager; empty where they reach it already. */
  endpointSubnets: ISubnet[]
}

/** The variables by which functions find the database. */
export const databaseVariables = (database: Database): Record<string, string> => ({
  DATABASE_SECRET_ARN: database.secret.secretArn,
  DATABASE_HOST: database.host,
  DATABASE_PORT: String(database.port),
  DATABASE_NAME: database.databaseName,
  ...(database.certificateAuthority && { DATABASE_CA: database.certificateAuthority }),
})
