import { type Duration, RemovalPolicy, Tags, Validations } from 'aws-cdk-lib'
import type { ISecurityGroup, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2'
import {
  type AddToPrincipalPolicyResult,
  PolicyDocument,
  PolicyStatement,
  Role,
  ServicePrincipal,
} from 'aws-cdk-lib/aws-iam'
import {
  Architecture,
  type CfnFunction,
  type Code,
  Function as LambdaFunction,
  Runtime,
  Tracing,
} from 'aws-cdk-lib/aws-lambda'
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import type { FunctionName } from '../../src/edge/http/routes.ts'
import { grantLogin, type Login } from '../database/login.ts'
import { codeOf } from './code.ts'

/** The network of a function, the security group that all functions share, and what they have to know of the network. */
export interface FunctionNetwork {
  vpc: IVpc
  subnets: ISubnet[]
  securityGroup: ISecurityGroup
  /** Environment variables. */
  variables: Record<string, string>
}

export interface ViewkeeperFunctionProps {
  name: FunctionName | 'deploy' | 'rotate'
  /** Part of the name of the function's log group. */
  environmentName: string
  description: string
  /** Default: none, for a function that does not use the database. */
  network?: FunctionNetwork
  /** The roles of the database that the function logs in as. Default: none. */
  logins?: Login[]
  /** Variables that the function reads. */
  variables: Record<string, string>
  timeout: Duration
  logRetentionDays: RetentionDays
  /** In MB. */
  memorySize: number
  /** Whether X-Ray traces the calls. */
  tracing: boolean
  /** The queue for asynchronous events that failed with all of Lambda's retries. Default: none. */
  deadLetters?: IQueue
  /** Retries of an asynchronous event, 0 to 2. Default: Lambda's own, 2. */
  retryAttempts?: number
  /** The age at which Lambda drops an asynchronous event that waits, 1 minute to 6 hours. Default: Lambda's own, 6 hours. */
  maxEventAge?: Duration
  /** Calls at once that Lambda keeps for the function, and lets through at most. Default: what the account has left. */
  reservedConcurrency?: number | undefined
  /** Default: the function's bundle. */
  code?: Code
}

/** A function with its own role, log group and bundle. */
export class ViewkeeperFunction extends Construct {
  readonly lambda: LambdaFunction
  readonly logGroup: LogGroup

  constructor(scope: Construct, id: string, props: ViewkeeperFunctionProps) {
    super(scope, id)
    const { name, environmentName, network } = props
    this.logGroup = new LogGroup(this, 'Logs', {
      logGroupName: `/viewkeeper/${environmentName}/${name}`,
      retention: props.logRetentionDays,
      // A log group that remains after the stack would make the next deploy fail: the name is taken.
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const role = new FunctionRole(this, this.logGroup, network)
    this.lambda = new LambdaFunction(this, 'Function', {
      description: props.description,
      code: props.code ?? codeOf(name),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memorySize,
      timeout: props.timeout,
      logGroup: this.logGroup,
      role,
      ...(network && {
        vpc: network.vpc,
        vpcSubnets: { subnets: network.subnets },
        securityGroups: [network.securityGroup],
      }),
      environment: { ...props.variables, ...network?.variables, NODE_OPTIONS: '--enable-source-maps' },
      // Lambda itself sends the traces, so a network without a way out needs no endpoint of X-Ray.
      tracing: props.tracing ? Tracing.ACTIVE : undefined,
      onFailure: props.deadLetters && new SqsDestination(props.deadLetters),
      retryAttempts: props.retryAttempts,
      maxEventAge: props.maxEventAge,
      reservedConcurrentExecutions: props.reservedConcurrency,
    })
    for (const login of props.logins ?? []) grantLogin(login, this.lambda)
    role.complete()
    // CloudFormation makes up the function's name; people find the function by its tags.
    Tags.of(this.lambda).add('viewkeeper:function', name)
    if (props.tracing)
      Validations.of(this).acknowledge({
        id: 'AwsSolutions-IAM5[Resource::*]',
        reason: 'X-Ray has no resources that a policy could name.',
      })
  }

  /** A key of the bundle's content, its code and the files next to it. */
  get codeKey(): string {
    const { code } = this.lambda.node.defaultChild as CfnFunction
    return (code as CfnFunction.CodeProperty).s3Key as string
  }
}

/**
 * The role of a function. What the function is made with stands in the role itself, one resource less for each function, and
 * there before the function is. What the app grants later on may depend on the function, and stands beside the role.
 */
class FunctionRole extends Role {
  private readonly own: PolicyDocument
  private isComplete = false

  constructor(scope: Construct, logGroup: LogGroup, network: FunctionNetwork | undefined) {
    const own = new PolicyDocument()
    super(scope, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      inlinePolicies: { own },
    })
    this.own = own
    logGroup.grantWrite(this)
    if (network) allowInterfaces(this)
  }

  /** From now on, what is granted stands beside the role. */
  complete(): void {
    this.isComplete = true
  }

  override addToPrincipalPolicy(statement: PolicyStatement): AddToPrincipalPolicyResult {
    if (this.isComplete) return super.addToPrincipalPolicy(statement)
    this.own.addStatements(statement)
    return { statementAdded: true, policyDependable: this }
  }
}

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
