import { CustomResource, Duration } from 'aws-cdk-lib'
import { Construct, type IDependable } from 'constructs'
import { databaseVariables } from '../database/database.ts'
import { loginVariables } from '../database/login.ts'
import { type FunctionSurroundings, ViewkeeperFunction } from './viewkeeper-function.ts'

export interface MigrationProps extends FunctionSurroundings {
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
