import { Duration } from 'aws-cdk-lib'
import { InvocationType, Trigger } from 'aws-cdk-lib/triggers'
import { Construct } from 'constructs'
import type { ViewkeeperFunction } from './viewkeeper-function.ts'

export interface MigrationProps {
  migrate: ViewkeeperFunction
  /** What migrating needs: the database, the rules and endpoints on the way to it. */
  after: Construct[]
  /** What must not run on an old schema. */
  before: Construct[]
}

/** Runs `migrate` on every deploy that changes it, its schema or the views' migrations; when it fails, the deploy fails. */
export class Migration extends Construct {
  readonly trigger: Trigger

  constructor(scope: Construct, id: string, { migrate, after, before }: MigrationProps) {
    super(scope, id)
    this.trigger = new Trigger(this, 'Trigger', {
      handler: migrate.lambda,
      // Any other type would let a deploy succeed whose migration failed.
      invocationType: InvocationType.REQUEST_RESPONSE,
      // Longer than the function, whose own answer says more than a lost connection.
      timeout: Duration.seconds(14.5 * 60),
      executeAfter: [migrate, ...after],
      executeBefore: before,
    })
  }
}
