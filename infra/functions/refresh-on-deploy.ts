import { createHash } from 'node:crypto'
import { RemovalPolicy } from 'aws-cdk-lib'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import { AwsCustomResource, PhysicalResourceId } from 'aws-cdk-lib/custom-resources'
import { Construct } from 'constructs'
import type { ViewkeeperFunction } from './viewkeeper-function.ts'

export interface RefreshOnDeployProps {
  environmentName: string
  startBatch: ViewkeeperFunction
  /** Every function. The bundle of `migrate` holds the migrations of the views. */
  functions: ViewkeeperFunction[]
  logRetentionDays: RetentionDays
  /** What has to be deployed before a batch starts, besides the functions. */
  after: Construct[]
}

/**
 * Starts a batch of every view at the end of each deploy that changed code or migrations. The deploy does not
 * wait for the batch, and does not fail with it. CDK's Trigger cannot be used: all triggers share one role,
 * which `migrate` needs first and which would depend on `start-batch`; but `start-batch` is deployed after
 * `migrate` has run.
 */
export class RefreshOnDeploy extends Construct {
  constructor(scope: Construct, id: string, props: RefreshOnDeployProps) {
    super(scope, id)
    const { lambda } = props.startBatch
    const deployed = hashOf(props.functions)
    lambda.addEnvironment('DEPLOYED', deployed)
    const logGroup = new LogGroup(this, 'Logs', {
      logGroupName: `/viewkeeper/${props.environmentName}/refresh-on-deploy`,
      retention: props.logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    logGroup.grantWrite(role)
    role.addToPolicy(
      new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [lambda.functionArn] }),
    )
    const call = new AwsCustomResource(this, 'Call', {
      onUpdate: {
        service: 'Lambda',
        action: 'invoke',
        parameters: { FunctionName: lambda.functionName, InvocationType: 'Event' },
        // CloudFormation calls the function when this id changes.
        physicalResourceId: PhysicalResourceId.of(deployed),
        outputPaths: ['StatusCode'],
      },
      installLatestAwsSdk: false,
      role,
      logGroup,
    })
    call.node.addDependency(...props.functions, ...props.after)
  }
}

const hashOf = (functions: ViewkeeperFunction[]): string =>
  createHash('sha256')
    .update(functions.map(({ codeKey }) => codeKey).join())
    .digest('hex')
    .slice(0, 32)
