import { Duration } from 'aws-cdk-lib'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { metricNamespace } from '../src/edge/metric-names.ts'
import { type Database, databaseVariables } from './database.ts'
import type { Environment } from './environment.ts'
import { type FunctionNetwork, OperationFunction } from './operation-function.ts'
import { sqlHook } from './sql-hook.ts'

export type FunctionName = 'create' | 'refresh' | 'drop' | 'cancel' | 'query' | 'monitor' | 'migrate'

/** Longest life of each function. */
const timeouts: Record<FunctionName, Duration> = {
  create: Duration.minutes(15),
  refresh: Duration.minutes(15),
  drop: Duration.minutes(15),
  // HTTP APIs give up after 30 s.
  cancel: Duration.seconds(29),
  query: Duration.seconds(29),
  monitor: Duration.minutes(1),
  // The handler of CDK's trigger dies after 15 minutes; if it died waiting for this one, CloudFormation would hear
  // nothing and wait an hour.
  migrate: Duration.minutes(14),
}

const descriptions: Record<FunctionName, string> = {
  create: 'Creates one view from its definition, for a schedule or an HTTP request',
  refresh: 'Refreshes one view, for a schedule or an HTTP request',
  drop: 'Drops one view, for a schedule or an HTTP request',
  cancel: 'Cancels a run',
  query: 'Answers every reading HTTP request',
  monitor: 'Every minute: closes lost runs, publishes ended runs as log lines and metrics',
  migrate: 'On deploy: brings the schema viewkeeper and the views up to date; and for the command line',
}

export interface FunctionsProps {
  environmentName: string
  environment: Environment
  database: Database
  network: FunctionNetwork
  /** Where events go that an operation's function failed with all of Lambda's retries. */
  deadLetters: IQueue
  /** Folder with the steps of the schema. */
  schemaFolder: string
  /** Folder with the frozen migrations of the views. */
  migrationsFolder: string
}

/** One function for each file in `functions/`. */
export class Functions extends Construct {
  readonly all: Record<FunctionName, OperationFunction>

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id)
    const { environmentName, environment, database } = props
    const variables = {
      VIEWKEEPER_ENVIRONMENT: environmentName,
      POWERTOOLS_SERVICE_NAME: 'viewkeeper',
      POWERTOOLS_METRICS_NAMESPACE: metricNamespace,
      POWERTOOLS_LOG_LEVEL: environment.logLevel,
      ...databaseVariables(database),
    }
    const create = (
      name: FunctionName,
      more: Partial<ConstructorParameters<typeof OperationFunction>[2]> = {},
    ) => {
      const created = new OperationFunction(this, name, {
        name,
        environmentName,
        description: descriptions[name],
        timeout: timeouts[name],
        network: props.network,
        logRetentionDays: environment.logRetentionDays,
        ...more,
        variables: { ...variables, ...more.variables },
      })
      database.grantRead(created.lambda)
      return created
    }
    this.all = {
      create: create('create', { deadLetters: props.deadLetters }),
      refresh: create('refresh', { deadLetters: props.deadLetters }),
      drop: create('drop', { deadLetters: props.deadLetters }),
      cancel: create('cancel'),
      query: create('query'),
      // The next minute does what this one left: a retry, or a dead letter for each minute of an outage, helps nobody.
      monitor: create('monitor', { retryAttempts: 0 }),
      migrate: create('migrate', {
        variables: {
          SCHEMA_FOLDER: './schema/',
          MIGRATIONS_FOLDER: './migrations/',
          ...adminVariables(database),
        },
        commandHooks: sqlHook({ schema: props.schemaFolder, migrations: props.migrationsFolder }),
      }),
    }
    database.adminSecret?.grantRead(this.all.migrate.lambda)
  }
}

const adminVariables = ({ adminSecret }: Database): Record<string, string> =>
  adminSecret ? { DATABASE_ADMIN_SECRET_ARN: adminSecret.secretArn } : {}
