import { Duration } from 'aws-cdk-lib'
import { InvocationType, Trigger } from 'aws-cdk-lib/triggers'
import { Construct, type IDependable } from 'constructs'
import { addTriggerLogs, type TriggerLogsProps } from './trigger-logs.ts'
import type { ViewkeeperFunction } from './viewkeeper-function.ts'

export interface MigrationProps extends TriggerLogsProps {
  migrate: ViewkeeperFunction
  /** What the migration needs: the database, and the network rules and endpoints. */
  after: IDependable[]
  /** What must not run on the old schema. */
  before: Construct[]
}

/**
 * Runs `migrate` on every deploy that changes its code, the schema steps or the views' migrations. If it
 * fails, the deploy fails.
 */
export class Migration extends Construct {
  readonly trigger: Trigger

  constructor(scope: Construct, id: string, { migrate, after, before, ...logs }: MigrationProps) {
    super(scope, id)
    this.trigger = new Trigger(this, 'Trigger', {
      handler: migrate.lambda,
      // With any other type the deploy would succeed although the migration failed.
      invocationType: InvocationType.REQUEST_RESPONSE,
      // Longer than the function lives: its error says more than a time-out of the trigger.
      timeout: Duration.seconds(14.5 * 60),
      executeAfter: [migrate],
      executeBefore: before,
    })
    this.trigger.node.addDependency(...after)
    addTriggerLogs(this, logs)
  }
}
