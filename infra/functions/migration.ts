import { createHash } from 'node:crypto'
import { CustomResource, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { AwsCustomResource, AwsCustomResourcePolicy, PhysicalResourceId } from 'aws-cdk-lib/custom-resources'
import { Construct, type IDependable } from 'constructs'
import { databaseVariables, loginVariables } from '../database/database.ts'
import { type FunctionSurroundings, ViewkeeperFunction } from './viewkeeper-function.ts'

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
  constructor(scope: Construct, id: string, { migrate, after, before, ...around }: MigrationProps) {
    super(scope, id)
    const { database } = around
    const deploy = new ViewkeeperFunction(this, 'deploy', around)
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
