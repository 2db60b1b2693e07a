import { cpSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AssetHashType, DockerImage, Duration, RemovalPolicy, Tags, Validations } from 'aws-cdk-lib'
import type { ISecurityGroup, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { type CfnFunction, Code, Function as LambdaFunction, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda'
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations'
import { LogGroup } from 'aws-cdk-lib/aws-logs'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { type DeployedName, type FunctionTraits, functions } from '../../src/api/functions.ts'
import { metricNamespace } from '../../src/api/lambda/aws-names.ts'
import { variablesOf } from '../../src/config/variables.ts'
import { functionsFolder } from '../../src/package-files.ts'
import { Problem } from '../../src/words/problem.ts'
import { authorityBeside, type Database, databaseVariables, grantLogin } from '../database/database.ts'
import { type MonitorTimes, monitorTimes } from '../monitor-times.ts'
import type { ValidProps } from '../props.ts'

/** What stands in the folder of a function beside its bundle. */
interface Beside {
  /** Folders whose `.sql` files are copied, by the names that they have there. */
  sql?: Record<string, string>
  /** Texts, by the names of their files. */
  texts?: Record<string, string>
}

/** The bundle of a function, as the build made it, the whole folder, and what stands beside it. */
export const codeOf = (name: string, { sql = {}, texts = {} }: Beside = {}): Code => {
  const bundle = bundleOf(name)
  const beside = [...Object.entries(sql), ...Object.entries(texts)].flat()
  if (beside.length === 0) return Code.fromAsset(bundle)
  return Code.fromAsset(bundle, {
    // The files of several folders are one asset: its hash is known when they are together.
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      local: {
        tryBundle(output) {
          cpSync(bundle, output, { recursive: true })
          for (const [key, from] of Object.entries(sql)) copySql(from, join(output, key))
          for (const [file, text] of Object.entries(texts)) writeFileSync(join(output, file), text)
          return true
        },
      },
      // CDK wants an image, and never starts it: the local way has always succeeded before.
      image: DockerImage.fromRegistry('scratch'),
      // CDK bundles once for all assets whose options are alike, and functions do not count: another folder is another asset.
      command: beside,
    },
  })
}

/** Copies the `.sql` files of a folder. A folder that is missing has none. */
export function copySql(from: string, to: string): void {
  if (!existsSync(from)) return
  cpSync(from, to, { recursive: true, filter: (path) => path === from || path.endsWith('.sql') })
}

function bundleOf(name: string): string {
  const folder = fileURLToPath(new URL(`${name}/`, functionsFolder))
  if (existsSync(folder)) return folder
  throw new Problem(
    'InvalidRequest',
    `The bundle of the function ${name} is missing: ${folder}. Run \`npm run build\`, or \`node build/functions.ts\` in ` +
      'the repository of Viewkeeper.',
  )
}

/** The network of a function, the security group that all functions share, and what they have to know of the network. */
export interface FunctionNetwork {
  vpc: IVpc
  subnets: ISubnet[]
  securityGroup: ISecurityGroup
  ipv6: boolean | undefined
  /** Environment variables. */
  variables: Record<string, string>
}

/** What all functions of an environment have in common. */
export interface FunctionSurroundings {
  environmentName: string
  options: ValidProps
  database: Database
  network: FunctionNetwork
  /** The network of the functions that do not use the database; undefined: none. */
  outerNetwork: FunctionNetwork | undefined
  /** The queue for asynchronous events that failed with all of Lambda's retries. */
  deadLetters?: IQueue
}

/** What one function has besides what the table says. */
export interface OfOneFunction {
  variables?: Record<string, string>
  /** Folders of SQL beside the function's bundle, by their names there. */
  sql?: Record<string, string>
}

/** A function of the table, with its own role, log group and bundle. */
export class ViewkeeperFunction extends Construct {
  readonly lambda: LambdaFunction
  readonly logGroup: LogGroup

  constructor(scope: Construct, name: DeployedName, around: FunctionSurroundings, own: OfOneFunction = {}) {
    super(scope, name)
    const { environmentName, options, database, deadLetters } = around
    const { description, seconds, worksAs, waits, ...traits } = functions[name]
    const { retries, eventSeconds } = name === 'send' ? sendTimes(options) : traits
    const network = worksAs ? around.network : around.outerNetwork
    this.logGroup = new LogGroup(this, 'Logs', {
      logGroupName: `/viewkeeper/${options.physicalName}/${name}`,
      retention: options.logRetention,
      // A log group that remains after the stack would make the next deploy fail: the name is taken.
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    this.logGroup.grantWrite(role)
    if (network) allowInterfaces(role)
    this.lambda = new LambdaFunction(this, 'Function', {
      description,
      code: codeOf(name, { ...own, texts: worksAs && authorityBeside(options) }),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: options.architecture,
      memorySize: options.memorySize,
      timeout: Duration.seconds(seconds),
      logGroup: this.logGroup,
      role,
      ...(network && {
        vpc: network.vpc,
        vpcSubnets: { subnets: network.subnets },
        securityGroups: [network.securityGroup],
        ...(network.ipv6 && { ipv6AllowedForDualStack: true }),
      }),
      environment: {
        VIEWKEEPER_ENVIRONMENT: environmentName,
        POWERTOOLS_SERVICE_NAME: 'viewkeeper',
        POWERTOOLS_METRICS_NAMESPACE: metricNamespace,
        POWERTOOLS_LOG_LEVEL: traits.isRead ? atLeastInfo(options) : options.logLevel,
        ...(worksAs && databaseVariables(database)),
        ...variablesOf(options, traits.obeys ?? []),
        ...(waits ? longestWait(options) : {}),
        ...own.variables,
        ...network?.variables,
      },
      // Lambda itself sends the traces, so a network without a way out needs no endpoint of X-Ray.
      tracing: options.tracing ? Tracing.ACTIVE : undefined,
      onFailure: traits.deadLetters && deadLetters ? new SqsDestination(deadLetters) : undefined,
      retryAttempts: retries,
      maxEventAge: eventSeconds === undefined ? undefined : Duration.seconds(eventSeconds),
      reservedConcurrentExecutions: waits ? options.reservedConcurrency : undefined,
    })
    if (worksAs) grantLogin(database.login, this.lambda)
    if (worksAs === 'role and administrator' && database.admin) grantLogin(database.admin, this.lambda)
    // CloudFormation makes up the function's name; people find the function by its tags.
    Tags.of(this.lambda).add('viewkeeper:function', name)
    if (options.tracing)
      Validations.of(this).acknowledge({
        id: 'AwsSolutions-IAM5[Resource::*]',
        reason: 'X-Ray has no resources that a policy could name.',
      })
  }

  /** Lets this function call another one. */
  mayCall({ lambda }: ViewkeeperFunction): void {
    this.lambda.addToRolePolicy(
      new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [lambda.functionArn] }),
    )
  }

  /** A key of the bundle's content, its code and the files next to it. */
  get codeKey(): string {
    const { code } = this.lambda.node.defaultChild as CfnFunction
    return (code as CfnFunction.CodeProperty).s3Key as string
  }
}

/** A call that failed is tried again only if the next one is far. Calls that wait must not pile up. */
function sendTimes({ monitorEveryMinutes }: ValidProps): Pick<FunctionTraits, 'retries' | 'eventSeconds'> {
  const { retries, interval } = monitorTimes(monitorEveryMinutes || 1) as MonitorTimes
  return { retries, eventSeconds: interval.toSeconds() }
}

const atLeastInfo = ({ logLevel }: ValidProps): string => (logLevel === 'DEBUG' ? 'DEBUG' : 'INFO')

/**
 * How long callers may wait if the concurrency is reserved: requests that arrive as fast as the API lets them in, and all wait,
 * occupy as many functions as are reserved.
 */
const longestWait = ({ reservedConcurrency, requestsPerSecond }: ValidProps): Record<string, string> =>
  reservedConcurrency === undefined
    ? {}
    : { LONGEST_WAIT_SECONDS: String(Math.floor(reservedConcurrency / requestsPerSecond)) }

/**
 * Lets Lambda attach a function to its network. The key is in each request of the function's own code, and in none of Lambda itself:
 * so the code may not. https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
 */
function allowInterfaces(role: Role): void {
  role.addToPolicy(
    new PolicyStatement({
      actions: [
        'ec2:AssignPrivateIpAddresses',
        'ec2:CreateNetworkInterface',
        'ec2:DeleteNetworkInterface',
        'ec2:DescribeNetworkInterfaces',
        'ec2:DescribeSubnets',
        'ec2:UnassignPrivateIpAddresses',
      ],
      resources: ['*'],
      conditions: { Null: { 'lambda:SourceFunctionArn': 'true' } },
    }),
  )
  Validations.of(role).acknowledge({
    id: 'AwsSolutions-IAM5[Resource::*]',
    reason:
      'Lambda attaches a function to its VPC by network interfaces, which have no name before they exist.',
  })
}
