import { Duration } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { metricNamespace } from '../../src/edge/metrics/names.ts'
import { type Database, databaseVariables } from '../database/database.ts'
import type { Environment } from '../environment/environment.ts'
import { sqlHook } from './sql-hook.ts'
import {
  type FunctionNetwork,
  ViewkeeperFunction,
  type ViewkeeperFunctionProps,
} from './viewkeeper-function.ts'

export type FunctionName =
  | 'create'
  | 'refresh'
  | 'drop'
  | 'start-batch'
  | 'open-batch'
  | 'advance'
  | 'cancel'
  | 'pause'
  | 'query'
  | 'monitor'
  | 'prune'
  | 'migrate'

/** Longest life of each function. */
const timeouts: Record<FunctionName, Duration> = {
  create: Duration.minutes(15),
  refresh: Duration.minutes(15),
  drop: Duration.minutes(15),
  advance: Duration.minutes(15),
  // HTTP APIs give up after 30 s.
  'start-batch': Duration.seconds(29),
  // start-batch waits for it, and then has the batch advanced. Its own patience with the database, 20 s, ends before.
  'open-batch': Duration.seconds(24),
  cancel: Duration.seconds(29),
  pause: Duration.seconds(29),
  query: Duration.seconds(29),
  monitor: Duration.minutes(1),
  prune: Duration.minutes(15),
  // The handler of CDK's trigger dies after 15 minutes; if it died waiting for this one, CloudFormation would hear
  // nothing and wait an hour.
  migrate: Duration.minutes(14),
}

const descriptions: Record<FunctionName, string> = {
  create: 'Creates one view from its definition, for a schedule or an HTTP request',
  refresh: 'Refreshes one view, for a schedule or an HTTP request',
  drop: 'Drops one view, for a schedule or an HTTP request',
  'start-batch': 'Starts a batch, for a schedule, a deploy or an HTTP request',
  'open-batch': 'Writes a batch down, for start-batch',
  advance: 'Drives a batch on, for the state machine',
  cancel: 'Cancels a run or a batch',
  pause: 'Pauses a view or everything that is scheduled, and lets it go on',
  query: 'Answers every reading HTTP request',
  monitor:
    'Every minute: closes lost runs, publishes ended runs as log lines and metrics, judges what is stale',
  prune: 'Every day: removes the history that is not kept',
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
  readonly all: Record<FunctionName, ViewkeeperFunction>

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id)
    const { environmentName, environment, database, deadLetters } = props
    const variables = {
      VIEWKEEPER_ENVIRONMENT: environmentName,
      POWERTOOLS_SERVICE_NAME: 'viewkeeper',
      POWERTOOLS_METRICS_NAMESPACE: metricNamespace,
      POWERTOOLS_LOG_LEVEL: environment.logLevel,
    }
    const create = (name: FunctionName, more: Partial<ViewkeeperFunctionProps> = {}) =>
      new ViewkeeperFunction(this, name, {
        name,
        environmentName,
        description: descriptions[name],
        timeout: timeouts[name],
        logRetentionDays: environment.logRetentionDays,
        ...more,
        variables: { ...variables, ...more.variables },
      })
    const createInside = (name: FunctionName, more: Partial<ViewkeeperFunctionProps> = {}) => {
      const inside = { ...databaseVariables(database), ...more.variables }
      const created = create(name, { network: props.network, ...more, variables: inside })
      database.grantRead(created.lambda)
      return created
    }
    const openBatch = createInside('open-batch')
    this.all = {
      create: createInside('create', { deadLetters }),
      refresh: createInside('refresh', { deadLetters }),
      drop: createInside('drop', { deadLetters }),
      // Outside the network, which needs no way to Lambda and Step Functions then: such endpoints cost money.
      'start-batch': create('start-batch', {
        deadLetters,
        variables: {
          OPEN_BATCH_FUNCTION: openBatch.lambda.functionName,
          BATCH_CONCURRENCY: String(environment.batchConcurrency),
        },
      }),
      'open-batch': openBatch,
      advance: createInside('advance'),
      cancel: createInside('cancel'),
      pause: createInside('pause'),
      query: createInside('query', { variables: scheduleVariables(environment) }),
      // The next minute does what this one left: a retry, or a dead letter for each minute of an outage, helps nobody.
      monitor: createInside('monitor', {
        retryAttempts: 0,
        variables: {
          ...scheduleVariables(environment),
          ...(environment.metricsPerView ? { METRICS_PER_VIEW: 'true' } : {}),
          ...atLeastInfo(environment),
        },
      }),
      prune: createInside('prune', {
        retryAttempts: 0,
        variables: { ...retentionVariables(environment), ...atLeastInfo(environment) },
      }),
      migrate: createInside('migrate', {
        variables: {
          SCHEMA_FOLDER: './schema/',
          MIGRATIONS_FOLDER: './migrations/',
          ...adminVariables(database),
        },
        commandHooks: sqlHook({ schema: props.schemaFolder, migrations: props.migrationsFolder }),
      }),
    }
    this.all['start-batch'].lambda.addToRolePolicy(
      new PolicyStatement({
        actions: ['lambda:InvokeFunction'],
        resources: [openBatch.lambda.functionArn],
      }),
    )
    database.adminSecret?.grantRead(this.all.migrate.lambda)
  }
}

/** What refreshes views by the clock: by it is judged how old data may be. */
function scheduleVariables({ schedules }: Environment): Record<string, string> {
  const [hour, minute] = schedules?.nightly ? schedules.nightly.at.split(':').map(Number) : []
  return {
    ...(schedules?.views ? { VIEW_SCHEDULES: 'true' } : {}),
    ...(schedules?.nightly
      ? { NIGHTLY_SCHEDULE: `${minute} ${hour} * * *`, NIGHTLY_TIME_ZONE: schedules.nightly.timeZone }
      : {}),
  }
}

const retentionVariables = ({ retention }: Environment): Record<string, string> => ({
  RETAIN_SUCCESSES: retention.successes === false ? '' : String(retention.successes),
  RETAIN_DAYS: String(retention.days),
})

/** The lines about runs are what the dashboard reads: they are there whatever else is logged. */
const atLeastInfo = ({ logLevel }: Environment): Record<string, string> => ({
  POWERTOOLS_LOG_LEVEL: logLevel === 'DEBUG' ? 'DEBUG' : 'INFO',
})

const adminVariables = ({ adminSecret }: Database): Record<string, string> =>
  adminSecret ? { DATABASE_ADMIN_SECRET_ARN: adminSecret.secretArn } : {}
