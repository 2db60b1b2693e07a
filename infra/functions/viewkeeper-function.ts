import { fileURLToPath } from 'node:url'
import { type Duration, RemovalPolicy, Validations } from 'aws-cdk-lib'
import type { ISecurityGroup, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Architecture, type CfnFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations'
import { type ICommandHooks, LogLevel, NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Where a function runs, and the one security group that all functions share. */
export interface FunctionNetwork {
  vpc: IVpc
  subnets: ISubnet[]
  securityGroup: ISecurityGroup
}

export interface ViewkeeperFunctionProps {
  /** The file in `functions/`, without its ending. */
  name: string
  /** Name of the environment; part of the function's name and of its log group's. */
  environmentName: string
  description: string
  /** Default: none, for a function that has no business with the database. */
  network?: FunctionNetwork
  /** Variables that the function reads. */
  variables: Record<string, string>
  timeout: Duration
  /** Memory, MiB; processor time grows with it. Default 512. */
  memoryMiB?: number
  logRetentionDays: RetentionDays
  /** Where asynchronous events go that failed with all of Lambda's retries. Default: nowhere. */
  deadLetters?: IQueue
  /** Retries of an asynchronous event, 0 to 2. Default: Lambda's own, 2. */
  retryAttempts?: number
  /** Commands around the bundling. Default: none. */
  commandHooks?: ICommandHooks
}

/** A function with a role, a log group and a bundle of its own. */
export class ViewkeeperFunction extends Construct {
  readonly lambda: NodejsFunction
  readonly logGroup: LogGroup

  constructor(scope: Construct, id: string, props: ViewkeeperFunctionProps) {
    super(scope, id)
    const { name, environmentName, network } = props
    this.logGroup = new LogGroup(this, 'Logs', {
      logGroupName: `/viewkeeper/${environmentName}/${name}`,
      retention: props.logRetentionDays,
      // The name is fixed: a log group left behind would stop the next deploy of this environment.
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.lambda = new NodejsFunction(this, 'Function', {
      functionName: `viewkeeper-${environmentName}-${name}`,
      description: props.description,
      entry: `${root}functions/${name}.ts`,
      projectRoot: root,
      depsLockFilePath: `${root}package-lock.json`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memoryMiB ?? 512,
      timeout: props.timeout,
      logGroup: this.logGroup,
      role: network ? networkRole(this, this.logGroup) : functionRole(this, this.logGroup),
      ...(network && {
        vpc: network.vpc,
        vpcSubnets: { subnets: network.subnets },
        securityGroups: [network.securityGroup],
      }),
      environment: { ...props.variables, NODE_OPTIONS: '--enable-source-maps' },
      onFailure: props.deadLetters && new SqsDestination(props.deadLetters),
      retryAttempts: props.retryAttempts,
      bundling: {
        format: OutputFormat.ESM,
        target: 'node24',
        logLevel: LogLevel.WARNING,
        minify: true,
        sourceMap: true,
        sourcesContent: false,
        bundleAwsSDK: true,
        mainFields: ['module', 'main'],
        // Packages in CommonJS call require(), which an ES module does not have. The name is long because the
        // minifier, which does not know this line, gives short ones away.
        banner:
          "import{createRequire as createRequireOfBundle}from'node:module';const require=createRequireOfBundle(import.meta.url);",
        commandHooks: props.commandHooks,
      },
    })
  }

  /** Differs for two bundles that differ, in their code or in the files beside it. */
  get codeKey(): string {
    const { code } = this.lambda.node.defaultChild as CfnFunction
    return (code as CfnFunction.CodeProperty).s3Key as string
  }
}

function functionRole(scope: Construct, logGroup: LogGroup): Role {
  const role = new Role(scope, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
  logGroup.grantWrite(role)
  return role
}

function networkRole(scope: Construct, logGroup: LogGroup): Role {
  const role = functionRole(scope, logGroup)
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
    }),
  )
  Validations.of(role).acknowledge({
    id: 'AwsSolutions-IAM5[Resource::*]',
    reason: 'Lambda attaches a function to its VPC by network interfaces that have no name until they exist.',
  })
  return role
}
