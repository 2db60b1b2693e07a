import { createHash } from 'node:crypto'
import { Annotations, CustomResource, Duration, Fn, Stack } from 'aws-cdk-lib'
import {
  type IConnectable,
  InterfaceVpcEndpoint,
  InterfaceVpcEndpointAwsService,
  type ISecurityGroup,
  Peer,
  Port,
  SecurityGroup,
} from 'aws-cdk-lib/aws-ec2'
import { AnyPrincipal, type IRole, Policy, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct, type IDependable } from 'constructs'
import { type FunctionName, functionNames, functions } from '../../src/api/functions.ts'
import { arnInPolicies, type Database, databaseVariables, loginVariables } from '../database/database.ts'
import {
  type FunctionNetwork,
  type FunctionSurroundings,
  type OfOneFunction,
  ViewkeeperFunction,
} from './viewkeeper-function.ts'

interface FunctionsNetworkProps {
  database: Database
  /** A security group of the app for the functions. Default: the environment has one of its own. */
  given: ISecurityGroup | undefined
  /** Whether functions that do not use the database are in its network, too. */
  all: boolean
}

/**
 * The network path from the functions to the database and, if a login has a secret, to Secrets Manager; the functions
 * reach nothing else. They share one security group. With a group for each function, `migrate` would wait for the rules of
 * all groups, and these rules would wait for functions that are deployed after `migrate`.
 */
export class FunctionsNetwork extends Construct {
  readonly placement: FunctionNetwork
  /** The placement of the functions that call AWS and do not use the database; undefined: they are in no network. */
  readonly outer: FunctionNetwork | undefined

  constructor(scope: Construct, id: string, { database, given, all }: FunctionsNetworkProps) {
    super(scope, id)
    const secrets = [database.login, database.admin].flatMap((login) =>
      login && 'secret' in login ? [login.secret] : [],
    )
    const securityGroup = given ?? this.addSecurityGroup(database, secrets)
    const endpoint = database.endpointSubnets.length > 0 ? this.addEndpoint(database, secrets) : undefined
    if (given) {
      letIn(given, database.props.database)
      if (endpoint) letIn(given, endpoint)
    } else if (endpoint) securityGroup.connections.allowToDefaultPort(endpoint, 'Secrets Manager')
    this.placement = {
      vpc: database.props.vpc,
      subnets: database.subnets,
      securityGroup,
      ipv6: database.props.database.ipv6,
      variables: endpoint ? { AWS_ENDPOINT_URL_SECRETS_MANAGER: addressOf(endpoint) } : {},
    }
    this.outer = all
      ? { ...this.placement, securityGroup: given ?? this.addOuterGroup(database), variables: {} }
      : undefined
  }

  /** These functions reach AWS and not the database. */
  private addOuterGroup({ props: { vpc }, subnets }: Database): SecurityGroup {
    if (subnets.some((subnet) => vpc.isolatedSubnets.includes(subnet)))
      Annotations.of(this).addWarningV2(
        'viewkeeper:way-to-aws',
        'The subnets of the functions are isolated, and with allFunctionsInVpc functions in them call Lambda, Step Functions, SNS, EventBridge ' +
          'and S3. Give the VPC endpoints of these, or acknowledge this warning if it has them.',
      )
    const securityGroup = new SecurityGroup(this, 'OuterSecurityGroup', {
      vpc,
      description: 'Functions of Viewkeeper that call AWS; nothing comes in',
      allowAllOutbound: false,
    })
    securityGroup.addEgressRule(Peer.anyIpv4(), Port.HTTPS, 'AWS')
    return securityGroup
  }

  private addSecurityGroup(database: Database, secrets: ISecret[]): SecurityGroup {
    const securityGroup = new SecurityGroup(this, 'SecurityGroup', {
      // EC2 cannot change a description: a deploy with another one would replace the group.
      vpc: database.props.vpc,
      description: 'The functions of Viewkeeper; nothing comes in',
      allowAllOutbound: false,
    })
    securityGroup.connections.allowToDefaultPort(database.props.database, 'The database')
    if (database.endpointSubnets.length === 0 && secrets.length > 0)
      securityGroup.addEgressRule(Peer.anyIpv4(), Port.HTTPS, 'Secrets Manager')
    return securityGroup
  }

  /** About 7.30 USD a month in each zone. */
  private addEndpoint(database: Database, secrets: ISecret[]) {
    const securityGroup = new SecurityGroup(this, 'EndpointSecurityGroup', {
      vpc: database.props.vpc,
      description: 'The endpoint of Secrets Manager; the functions of Viewkeeper come in',
      allowAllOutbound: false,
    })
    const endpoint = new InterfaceVpcEndpoint(this, 'SecretsManager', {
      vpc: database.props.vpc,
      service: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
      subnets: { subnets: database.endpointSubnets },
      securityGroups: [securityGroup],
      // By default the endpoint lets the whole VPC in.
      open: false,
      // Private DNS holds for the whole VPC: its other programs would be led to an endpoint that refuses them.
      privateDnsEnabled: false,
    })
    // Whatever a role may do elsewhere: through this endpoint, this account reads these secrets and does nothing else.
    endpoint.addToPolicy(
      new PolicyStatement({
        principals: [new AnyPrincipal()],
        actions: ['secretsmanager:GetSecretValue'],
        resources: secrets.map(arnInPolicies),
        conditions: { StringEquals: { 'aws:PrincipalAccount': Stack.of(this).account } },
      }),
    )
    return endpoint
  }
}

/**
 * A group of the app may serve many environments: one rule for each of their servers would use up the rules of a group. So the app
 * says what goes out of it, and what is reached lets it in, once for all environments.
 */
function letIn(functions: ISecurityGroup, { connections }: IConnectable): void {
  for (const group of connections.securityGroups)
    group.addIngressRule(functions, connections.defaultPort as Port, 'The functions of Viewkeeper')
}

/** The endpoint's own address in all its zones. CloudFormation gives it first, as `<hosted zone>:<name>`. */
const addressOf = ({ vpcEndpointDnsEntries }: InterfaceVpcEndpoint): string =>
  `https://${Fn.select(1, Fn.split(':', Fn.select(0, vpcEndpointDnsEntries)))}`

interface FunctionsProps extends FunctionSurroundings {
  /** The queue for events that failed with all of Lambda's retries. */
  deadLetters: IQueue
  /** The folder of the schema steps. */
  schemaFolder: string
  /** The folder of the views' frozen migrations. */
  migrationsFolder: string
  /** Whether a deploy applies the views' migrations. */
  viewMigrations: boolean
}

/** The functions of one environment, each with the right to call the one that the table says. */
export class Functions extends Construct {
  readonly all: Record<FunctionName, ViewkeeperFunction>

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id)
    const create = (name: FunctionName) =>
      new ViewkeeperFunction(this, name, props, name === 'migrate' ? ofMigrate(props) : {})
    this.all = Object.fromEntries(functionNames.map((name) => [name, create(name)])) as typeof this.all
    for (const name of functionNames) {
      const { calls } = functions[name]
      if (calls === undefined) continue
      this.all[name].lambda.addEnvironment(
        `${calls.toUpperCase()}_FUNCTION`,
        this.all[calls].lambda.functionName,
      )
      this.all[name].mayCall(this.all[calls])
    }
  }
}

const ofMigrate = ({
  options,
  database,
  schemaFolder,
  migrationsFolder,
  viewMigrations,
}: FunctionsProps): OfOneFunction => ({
  sql: { schema: schemaFolder, migrations: migrationsFolder },
  variables: {
    SCHEMA_FOLDER: './schema/',
    MIGRATIONS_FOLDER: './migrations/',
    ...(viewMigrations ? {} : { VIEW_MIGRATIONS: 'false' }),
    ...(options.connectionLimit && { CONNECTION_LIMIT: String(options.connectionLimit) }),
    ...(database.admin && loginVariables('DATABASE_ADMIN', database.admin)),
  },
})

interface MigrationProps extends FunctionSurroundings {
  migrate: ViewkeeperFunction
  /** What the migration needs: the database, and the network rules and endpoints. */
  after: IDependable[]
  /** What must not run on the old schema. */
  before: Construct[]
}

/**
 * Runs `migrate` on every deploy that changes its code, the schema steps, the views' migrations, or where the database or a
 * secret is. If it fails, the deploy fails. The function `deploy` calls it: CDK's own trigger does not know that a deploy is a
 * rollback, which must not fail.
 */
export class Migration extends Construct {
  /** The function that CloudFormation calls. */
  readonly deploy: ViewkeeperFunction

  constructor(scope: Construct, id: string, { migrate, after, before, ...around }: MigrationProps) {
    super(scope, id)
    const { database } = around
    const deploy = new ViewkeeperFunction(this, 'deploy', around)
    this.deploy = deploy
    deploy.mayCall(migrate)
    const call = new CustomResource(this, 'Call', {
      resourceType: 'Custom::ViewkeeperMigration',
      serviceToken: deploy.lambda.functionArn,
      // Otherwise CloudFormation waits for an hour for an answer that got lost.
      serviceTimeout: Duration.minutes(16),
      properties: {
        // The version of a deploy that is rolled back is another than the one that the rollback goes to.
        Migrate: migrate.lambda.currentVersion.functionArn,
        // A server that CloudFormation replaces changes no text of the template, and so makes no version.
        Database: {
          ...databaseVariables(database),
          ...(database.admin && loginVariables('DATABASE_ADMIN', database.admin)),
        },
      },
    })
    call.node.addDependency(deploy, migrate, ...after)
    for (const each of before) each.node.addDependency(call)
  }
}

interface RefreshOnDeployProps {
  /** The state machine that opens and advances the batch. */
  machine: IStateMachine
  /** The function that CloudFormation calls. */
  deploy: ViewkeeperFunction
  /** Every function. The bundle of `migrate` holds the migrations of the views. */
  functions: Record<FunctionName, ViewkeeperFunction>
  /** What has to be deployed before a batch starts, besides the functions. */
  after: Construct[]
}

/**
 * Starts a batch of every view at the end of each deploy that changed code or migrations. The deploy does not
 * wait for the batch, and does not fail with it. What was deployed is the key of the batch: two executions for the same
 * deploy are one batch.
 */
export class RefreshOnDeploy extends Construct {
  constructor(scope: Construct, id: string, { machine, deploy, functions, after }: RefreshOnDeployProps) {
    super(scope, id)
    const { stateMachineArn } = machine
    // A policy of its own: what else `deploy` may do exists before the migration, and the machine after it.
    const mayStart = new Policy(this, 'MayStart', {
      roles: [deploy.lambda.role as IRole],
      statements: [new PolicyStatement({ actions: ['states:StartExecution'], resources: [stateMachineArn] })],
    })
    const call = new CustomResource(this, 'Call', {
      resourceType: 'Custom::ViewkeeperRefresh',
      serviceToken: deploy.lambda.functionArn,
      serviceTimeout: Duration.minutes(16),
      properties: {
        // By the version, `deploy` knows a rollback, after which nothing is refreshed.
        Migrate: functions.migrate.lambda.currentVersion.functionArn,
        StateMachine: stateMachineArn,
        Key: hashOf(Object.values(functions)),
      },
    })
    call.node.addDependency(mayStart, ...Object.values(functions), ...after)
  }
}

const hashOf = (functions: ViewkeeperFunction[]): string =>
  createHash('sha256')
    .update(functions.map(({ codeKey }) => codeKey).join())
    .digest('hex')
    .slice(0, 32)
