import { CustomResource, Duration } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { Construct, type IDependable } from 'constructs'
import { type Database, databaseVariables } from '../database/database.ts'
import { loginVariables } from '../database/login.ts'
import type { ValidOptions } from '../environment/valid-options.ts'
import { ViewkeeperFunction } from './viewkeeper-function.ts'

export interface MigrationProps {
  environmentName: string
  options: ValidOptions
  migrate: ViewkeeperFunction
  database: Database
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
  constructor(scope: Construct, id: string, { migrate, database, after, before, ...props }: MigrationProps) {
    super(scope, id)
    const { environmentName, options } = props
    const deploy = new ViewkeeperFunction(this, 'deploy', {
      name: 'deploy',
      environmentName,
      description: 'On deploy: calls migrate for CloudFormation, and answers',
      // The most that Lambda gives, a minute longer than migrate lives.
      timeout: Duration.minutes(15),
      logRetentionDays: options.logRetentionDays,
      memorySize: options.memorySize,
      tracing: options.tracing,
      variables: { POWERTOOLS_SERVICE_NAME: 'viewkeeper', POWERTOOLS_LOG_LEVEL: options.logLevel },
    })
    deploy.lambda.addToRolePolicy(
      new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [migrate.lambda.functionArn] }),
    )
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
