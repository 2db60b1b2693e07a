import { Annotations, Reference, Resource, Stack, Tokenization, Validations } from 'aws-cdk-lib'
import { type ISubnet, VpcEndpoint } from 'aws-cdk-lib/aws-ec2'
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { CfnDBCluster, CfnDBInstance, type IDatabaseCluster } from 'aws-cdk-lib/aws-rds'
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Construct, Dependable } from 'constructs'
import { refuseProps, type ValidProps } from '../props.ts'
import type { OfRds } from './server.ts'

/**
 * The database that the functions work on. Environments on one server have a role each: every deploy sets the password of its role,
 * and would lock the others out.
 */
export class Database extends Construct {
  readonly props: ValidProps
  /** The role that Viewkeeper works with. */
  readonly login: Login
  /** The administrator as whom `migrate` makes that role; undefined: the role exists. */
  readonly admin: SecretLogin | undefined
  /** Private subnets for the functions. */
  readonly subnets: ISubnet[]
  /** The subnets that get an endpoint of Secrets Manager. */
  readonly endpointSubnets: ISubnet[]

  constructor(scope: Construct, id: string, props: ValidProps) {
    super(scope, id)
    this.props = props
    const { vpc, database: server } = props
    const { ofRds } = server
    const refuse: Refuse = (problem) => refuseProps(scope.node.path, [problem])
    const { engineType = 'postgres' } = ofRds?.engine ?? {}
    if (!engineType.includes('postgres'))
      refuse(`database: must be a PostgreSQL, and its engine is ${engineType}`)
    if (ofRds) exportTo(Stack.of(this), ofRds)
    const role = `viewkeeper_app_${props.environmentName.replaceAll('-', '_')}`
    const adminSecret = adminSecretOf(props, refuse)
    this.admin = adminSecret && { secret: adminSecret }
    this.login = props.iamAuthentication
      ? // Not the role of the secret: a member of rds_iam cannot log in with its password, as running functions still do.
        iamLoginOf(ofRds, props.loginUser ?? role.replace('_app_', '_iam_'), refuse)
      : { secret: props.loginSecret ?? roleSecret(this, role, props) }
    this.subnets = vpc.selectSubnets(props.vpcSubnets).subnets
    this.endpointSubnets = props.addSecretsManagerEndpoint ? firstOfEachZone(this.subnets) : []
    this.insistOnSubnets(refuse)
    const { securityGroups } = server.connections
    // An error that is thrown would end the app before CDK learns what to look up.
    if (ofRds && securityGroups.length === 0 && server.host !== notLookedUp)
      Annotations.of(this).addError(
        `database: ${ofRds.node.path} has no security group that could let the functions in; import it with securityGroups`,
      )
    warnOfAwake(this, ofRds, props.monitorEveryMinutes)
    // A function reaches AWS when the NAT of its subnet is there, or an endpoint that the app adds later on.
    const waysOut = this.subnets.map(({ internetConnectivityEstablished }) => internetConnectivityEstablished)
    Dependable.implement(this, {
      get dependencyRoots() {
        const endpoints = vpc.node.children.filter((each) => each instanceof VpcEndpoint)
        return [...(ofRds ? [ofRds] : []), ...securityGroups, ...waysOut, ...endpoints].flatMap(
          (each) => Dependable.of(each).dependencyRoots,
        )
      },
    })
  }

  private insistOnSubnets(refuse: Refuse) {
    const { subnets, props } = this
    const { vpc } = props
    if (subnets.some((subnet) => vpc.publicSubnets.includes(subnet)))
      refuse('vpcSubnets: must be private, because Lambda gives a function no public address; name others')
    const readsSecrets = 'secret' in this.login || this.admin !== undefined
    const isIsolated = subnets.some((subnet) => vpc.isolatedSubnets.includes(subnet))
    if (readsSecrets && isIsolated && this.endpointSubnets.length === 0)
      Annotations.of(this).addWarningV2(
        'viewkeeper:way-to-secrets-manager',
        'The subnets of the functions are isolated, and the functions read secrets. Set addSecretsManagerEndpoint, or ' +
          'acknowledge this warning if the VPC has an endpoint of Secrets Manager.',
      )
  }
}

/** The host that CDK gives a server until it has looked it up. */
const notLookedUp = 'TESTADDRESS'

/** Refuses the props of the construct, with one line. Only what does not depend on a look-up may be refused. */
type Refuse = (problem: string) => never

const isCluster = (database: OfRds): database is IDatabaseCluster => 'clusterIdentifier' in database

/** The administrator's secret. Undefined: the role that Viewkeeper works with exists. */
function adminSecretOf(props: ValidProps, refuse: Refuse): ISecret | undefined {
  const { ofRds, host } = props.database
  const major = Number(ofRds?.engine?.engineVersion?.majorVersion)
  if (props.adminSecret && props.iamAuthentication && major >= 16)
    return refuse(
      'adminSecret: with iamAuthentication, PostgreSQL 16 and later would make the administrator a member of rds_iam, whose ' +
        'passwords RDS refuses; make the role with `npx viewkeeper create-role --iam`, and name it as loginUser',
    )
  if (props.adminSecret) return props.adminSecret
  if (props.loginSecret || props.loginUser !== undefined) return undefined
  if (props.iamAuthentication)
    return refuse(
      'loginUser: is required with iamAuthentication: `npx viewkeeper create-role --iam` makes the role; or give ' +
        'adminSecret, of an administrator whose password may stop working (docs/iam.md)',
    )
  const { secret } = (ofRds ?? {}) as { secret?: ISecret }
  if (secret) return secret
  return refuse(
    `adminSecret: is required, because ${ofRds?.node.path ?? host} has no secret of its own; or give loginSecret, if ` +
      '`npx viewkeeper create-role` has made the role',
  )
}

/**
 * Exports what either way to log in reads of a server of another stack. That stack is deployed first, and CloudFormation refuses
 * to remove an export that the deployed version of the other stack still reads.
 */
function exportTo(reader: Stack, database: OfRds): void {
  // An imported server is in no stack, and may not know its resource id.
  if (!Resource.isOwnedResource(database)) return
  const { secret } = database as { secret?: ISecret }
  const resourceId = isCluster(database) ? database.clusterResourceIdentifier : database.instanceResourceId
  for (const value of [secret?.secretArn, resourceId]) {
    const reference = value === undefined ? undefined : Tokenization.reverseString(value).firstToken
    if (!Reference.isReference(reference)) continue
    const owner = Stack.of(reference.target)
    if (owner !== reader) owner.exportValue(value)
  }
}

function iamLoginOf(database: OfRds | undefined, user: string, refuse: Refuse): Login {
  if (!database) return refuse('iamAuthentication is for instances and clusters of aws-rds')
  if (!isCluster(database) && database.instanceResourceId === undefined)
    refuse(
      `iamAuthentication needs the resource id of ${database.node.path}; import it with instanceResourceId`,
    )
  const server = database.node.defaultChild
  // CDK's `grantConnect` switches it on for an instance only.
  if (server instanceof CfnDBCluster && !server.enableIamDatabaseAuthentication)
    refuse(`iamAuthentication needs a server with IAM; give ${database.node.path} iamAuthentication: true`)
  // CDK knows it when the app is synthesized, and before only by this.
  const size = server instanceof CfnDBInstance ? String(Stack.of(server).resolve(server.dbInstanceClass)) : ''
  if (size.endsWith('.micro'))
    Annotations.of(database).addWarningV2(
      'viewkeeper:memory-for-iam',
      `iamAuthentication takes 300 to 1,000 MiB of the server's memory, and a ${size} has 1 GiB. Take a larger ` +
        'instanceType, or leave it out.',
    )
  return { user, grantConnect: (grantee) => void database.grantConnect(grantee, user) }
}

/** Warns if looks keep a cluster of the app awake that may pause. */
function warnOfAwake(scope: Construct, database: OfRds | undefined, minutes: number | false): void {
  const cluster = database?.node.defaultChild
  if (!(cluster instanceof CfnDBCluster) || minutes === false || minutes >= 30) return
  const scaling: { minCapacity?: number } | undefined = Stack.of(cluster).resolve(
    cluster.serverlessV2ScalingConfiguration,
  )
  if (scaling?.minCapacity === 0)
    Annotations.of(scope).addWarningV2(
      'viewkeeper:keeps-awake',
      `A look every ${minutes} min keeps the cluster awake, which may pause (minCapacity 0): about 44 USD a month for 0.5 ACU. Set ` +
        'monitorInterval to 30 or 60 minutes, or monitor to false, or acknowledge this warning.',
    )
}

/**
 * EC2 refuses an endpoint with two subnets in one zone. With one subnet, an endpoint serves the subnet's
 * whole zone.
 */
const firstOfEachZone = (subnets: ISubnet[]): ISubnet[] =>
  subnets.filter(
    ({ availabilityZone }, at) =>
      subnets.findIndex((other) => other.availabilityZone === availabilityZone) === at,
  )

/** The environment variables that tell a function where the database is. */
export const databaseVariables = ({ login, props }: Database): Record<string, string> => ({
  ...loginVariables('DATABASE', login),
  DATABASE_HOST: props.database.host,
  // The port of a server in the app is not known before the deploy.
  DATABASE_PORT: Tokenization.stringifyNumber(props.database.port),
  DATABASE_NAME: props.databaseName,
  ...(props.certificateAuthority && { DATABASE_CA_FILE: authorityFile }),
})

const authorityFile = 'authority.pem'

/** The file beside the code of a function: all variables of a function together may have 4 KB, and a bundle of authorities more. */
export const authorityBeside = ({ certificateAuthority }: ValidProps): Record<string, string> =>
  certificateAuthority === undefined ? {} : { [authorityFile]: certificateAuthority }

/** The ARN of a secret as a policy names it: if a secret is imported by its name, the last six characters are unknown. */
export const arnInPolicies = ({ secretFullArn, secretArn }: ISecret): string =>
  secretFullArn ?? `${secretArn}-??????`

/** How a function logs in: as a role whose `username` and `password` are in a secret, or with a token of IAM. */
export type Login = SecretLogin | { user: string; grantConnect(grantee: IGrantable): void }
type SecretLogin = { secret: ISecret }

/** The environment variable from which a function knows its login. */
export const loginVariables = (
  prefix: 'DATABASE' | 'DATABASE_ADMIN',
  login: Login,
): Record<string, string> =>
  'secret' in login
    ? { [`${prefix}_SECRET_ARN`]: login.secret.secretArn }
    : { [`${prefix}_IAM_USER`]: login.user }

/**
 * Lets a function log in. CDK's grants would change the policy of the customer key of a secret, which an imported key does not have
 * here, and in which a key of another stack cannot name this stack's roles. The key's policy has to let policies of IAM grant access,
 * as the default policy does.
 */
export function grantLogin(login: Login, grantee: IGrantable): void {
  if ('user' in login) {
    login.grantConnect(grantee)
    return
  }
  const allow = (action: string, resource: string, conditions?: object) =>
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({
        actions: [action],
        resources: [resource],
        ...(conditions && { conditions: { StringEquals: conditions } }),
      }),
    )
  allow('secretsmanager:GetSecretValue', arnInPolicies(login.secret))
  const { encryptionKey: key } = login.secret
  if (key) allow('kms:Decrypt', key.keyArn, { 'kms:ViaService': hostsOf('secretsmanager', key.env.region) })
}

/**
 * The names by which KMS may know a service in a region. Addresses in China end in `.cn`; a policy allows both forms there.
 */
function hostsOf(service: string, region: string): string | string[] {
  const host = `${service}.${region}.amazonaws.com`
  return region.startsWith('cn-') ? [host, `${host}.cn`] : host
}

/**
 * A new secret, with the name and a new password of the role that Viewkeeper works with, which `migrate` makes. The fields are those
 * that the rotations of AWS read.
 */
function roleSecret(scope: Construct, username: string, { database, databaseName }: ValidProps): Secret {
  const secret = new Secret(scope, 'RoleSecret', {
    description: 'Login and password of the role that Viewkeeper works with',
    generateSecretString: {
      secretStringTemplate: Stack.of(scope).toJsonString({
        username,
        engine: 'postgres',
        host: database.host,
        port: database.port,
        dbname: databaseName,
      }),
      generateStringKey: 'password',
      passwordLength: 40,
      excludePunctuation: true,
    },
  })
  Validations.of(secret).acknowledge({
    id: 'AwsSolutions-SMG4',
    reason: 'The app decides whether the password is rotated, with addRotationSchedule of loginSecret.',
  })
  return secret
}
