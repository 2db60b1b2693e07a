import { Tokenization } from 'aws-cdk-lib'
import type { IConnectable, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2'
import type { IDependable } from 'constructs'
import { type Login, loginVariables, type SecretRotationOptions } from './login.ts'

/** The database that the functions work on: created, imported, or a server of another app. */
export interface Database extends IConnectable, IDependable {
  /** The name in the server's certificate. */
  readonly host: string
  /** The port of the server. */
  readonly port: number
  /** Name of the database inside the server. */
  readonly databaseName: string
  /** The role that Viewkeeper works with. */
  readonly login: Login
  /**
   * The administrator as whom `migrate` makes that role.
   * @default - nobody: the role exists
   */
  readonly admin?: Login
  /**
   * The most connections that `admin` lets the role open.
   * @default - half of the server's
   */
  readonly connectionLimit?: number
  /**
   * The rotation of the login's secret.
   * @default - none
   */
  readonly rotation?: SecretRotationOptions
  /**
   * PEM texts of the authorities that may have signed the server's certificate.
   * @default - the roots of RDS
   */
  readonly certificateAuthority?: string
  /** The network of the functions. */
  readonly vpc: IVpc
  /**
   * Whether the server is reached by IPv6.
   * @default false
   */
  readonly ipv6?: boolean
  /** Private subnets for the functions. */
  readonly subnets: ISubnet[]
  /**
   * The subnets that get an endpoint of Secrets Manager; empty if the subnets reach Secrets Manager without
   * one, or if no login has a secret.
   */
  readonly endpointSubnets: ISubnet[]
}

/** The environment variables that tell a function where the database is. */
export const databaseVariables = (database: Database): Record<string, string> => ({
  ...loginVariables('DATABASE', database.login),
  DATABASE_HOST: database.host,
  // The port of a server in the app is not known before the deploy.
  DATABASE_PORT: Tokenization.stringifyNumber(database.port),
  DATABASE_NAME: database.databaseName,
  ...(database.certificateAuthority && { DATABASE_CA_FILE: authorityFile }),
})

const authorityFile = 'authority.pem'

/** The file beside the code of a function: all variables of a function together may have 4 KB, and a bundle of authorities more. */
export const authorityBeside = ({ certificateAuthority }: Database): Record<string, string> =>
  certificateAuthority === undefined ? {} : { [authorityFile]: certificateAuthority }
