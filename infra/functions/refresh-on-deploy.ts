import { createHash } from 'node:crypto'
import { RemovalPolicy, Stack } from 'aws-cdk-lib'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { AwsCustomResource, AwsCustomResourcePolicy, PhysicalResourceId } from 'aws-cdk-lib/custom-resources'
import { Construct } from 'constructs'
import type { ViewkeeperFunction } from './viewkeeper-function.ts'

export interface RefreshOnDeployProps {
  environmentName: string
  /** The state machine that opens and advances the batch. */
  machine: IStateMachine
  /** Every function. The bundle of `migrate` holds the migrations of the views. */
  functions: ViewkeeperFunction[]
  logRetentionDays: RetentionDays
  /** What has to be deployed before a batch starts, besides the functions. */
  after: Construct[]
}

/**
 * Starts a batch of every view at the end of each deploy that changed code or migrations. The deploy does not
 * wait for the batch, and does not fail with it. What was deployed is the key of the batch: two executions for the same
 * deploy are one batch.
 */
export class RefreshOnDeploy extends Construct {
  constructor(scope: Construct, id: string, props: RefreshOnDeployProps) {
    super(scope, id)
    const { stateMachineArn } = props.machine
    const deployed = hashOf(props.functions)
    const call = new AwsCustomResource(this, 'Call', {
      onUpdate: {
        service: 'SFN',
        action: 'startExecution',
        parameters: {
          stateMachineArn,
          input: JSON.stringify({ trigger: 'deploy', key: deployed, all: true }),
        },
        // CloudFormation starts an execution when this id changes.
        physicalResourceId: PhysicalResourceId.of(deployed),
        outputPaths: ['executionArn'],
      },
      installLatestAwsSdk: false,
      policy: AwsCustomResourcePolicy.fromStatements([
        new PolicyStatement({ actions: ['states:StartExecution'], resources: [stateMachineArn] }),
      ]),
      ...(callerExists(this) ? {} : this.caller(props)),
    })
    call.node.addDependency(...props.functions, ...props.after)
  }

  /** The role of the function that calls, which may only write its log. */
  private caller({ environmentName, logRetentionDays }: RefreshOnDeployProps): {
    role: Role
    logGroup: LogGroup
  } {
    const logGroup = new LogGroup(this, 'Logs', {
      logGroupName: `/viewkeeper/${environmentName}/refresh-on-deploy`,
      retention: logRetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    logGroup.grantWrite(role)
    return { role, logGroup }
  }
}

/** All such calls of a stack share one function, with the role and the log group of the first. */
const callerExists = (scope: Construct): boolean =>
  Stack.of(scope).node.tryFindChild(`AWS${AwsCustomResource.PROVIDER_FUNCTION_UUID.replaceAll('-', '')}`) !==
  undefined

const hashOf = (functions: ViewkeeperFunction[]): string =>
  createHash('sha256')
    .update(functions.map(({ codeKey }) => codeKey).join())
    .digest('hex')
    .slice(0, 32)
