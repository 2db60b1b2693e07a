import { Duration } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { type FunctionOption, variablesOf } from '../../src/config/variables.ts'
import { type FunctionName, functionNames } from '../../src/edge/http/routes.ts'
import { metricNamespace } from '../../src/edge/metrics/names.ts'
import { type Database, databaseVariables } from '../database/database.ts'
import { type Login, loginVariables } from '../database/login.ts'
import { monitorTimes } from '../environment/monitor-times.ts'
import type { ValidOptions } from '../environment/valid-options.ts'
import { codeWithSql } from './code.ts'
import { type FunctionNetwork, ViewkeeperFunction } from './viewkeeper-function.ts'

interface FunctionOptions {
  description: string
  /** The longest life of a call. */
  timeout: Duration
  /**
   * Only for `start-batch`, `notify` and `announce`: in the network they would need endpoints of Lambda, Step Functions, SNS and
   * EventBridge, which cost money.
   */
  outsideNetwork?: boolean
  /** Whether an event that failed with all of Lambda's retries becomes a dead letter. */
  deadLetters?: boolean
  /** Whether a caller may wait in the function for a run. */
  waits?: boolean
  /** The options that the function is told. */
  obeys?: FunctionOption[]
  /** Retries of an asynchronous event. Default: Lambda's own, 2. */
  retryAttempts?: number
  /**
   * The age at which Lambda drops an asynchronous event that it could not deliver to the function, for want of
   * concurrency. Default: Lambda's own, 6 hours.
   */
  maxEventAge?: Duration
}

/** Functions that plan refreshes, or tell people about them, are told how readers are spared and what is left out. */
const aboutReaders = [
  'readOnReplicas',
  'withoutKey',
  'regularUpToMs',
  'skipUnchanged',
  'skipAtMostHours',
] as const

/** Functions that say when a view is refreshed next, or what is due, are told when schedules and the monitor do something. */
const aboutTimes = ['schedules', 'monitorEveryMinutes', 'batchConcurrency'] as const

/** What each function of the table in `routes.ts` is deployed with. */
const functions: Record<FunctionName, FunctionOptions> = {
  create: {
    description: 'Creates one view from its definition, for a schedule or an HTTP request',
    waits: true,
    obeys: ['viewOwner', 'eventBus', ...aboutReaders],
    timeout: Duration.minutes(15),
    deadLetters: true,
    maxEventAge: Duration.hours(1),
  },
  refresh: {
    description: 'Refreshes one view, for a schedule or an HTTP request',
    waits: true,
    obeys: ['eventBus', ...aboutReaders],
    timeout: Duration.minutes(15),
    deadLetters: true,
    maxEventAge: Duration.hours(1),
  },
  drop: {
    description: 'Drops one view, for a schedule or an HTTP request',
    waits: true,
    obeys: ['eventBus'],
    timeout: Duration.minutes(15),
    deadLetters: true,
    maxEventAge: Duration.hours(1),
  },
  'start-batch': {
    description: 'Starts a batch, for an HTTP request or for target lags',
    // HTTP APIs give up after 30 s.
    timeout: Duration.seconds(29),
    outsideNetwork: true,
  },
  batch: {
    description: 'Records a batch, and advances it, for start-batch and for the state machine',
    obeys: ['batchExchange', 'maxShadowBytes', 'eventBus', ...aboutTimes, ...aboutReaders],
    // start-batch waits until a batch is recorded. That is answered within 26.5 s, of which 22.5 s may pass until the database wakes.
    timeout: Duration.minutes(15),
  },
  api: {
    description: 'Answers the HTTP requests that read, cancel, pause and resume',
    obeys: ['eventBus', ...aboutTimes, ...aboutReaders],
    // HTTP APIs give up after 30 s.
    timeout: Duration.seconds(29),
  },
  monitor: {
    description: 'Closes lost runs, publishes ended runs as log lines and metrics, finds stale views',
    obeys: [...aboutTimes, 'remindEveryHours', 'metricsPerView', 'eventBus'],
    timeout: Duration.minutes(1),
    // The next call does what this one left: a dead letter for each minute of an outage would help nobody.
  },
  news: {
    description: 'Says what people and programs have to be told now, for notify and announce',
    obeys: [...aboutTimes, 'pageUrl', 'runbookUrl'],
    // notify and announce wait for it; it answers earlier.
    timeout: Duration.seconds(29),
  },
  notify: {
    description: 'Makes mails of alarms, for people',
    obeys: ['runbookUrl'],
    // A function in the network that sleeps wakes within a minute or two.
    timeout: Duration.minutes(3),
    outsideNetwork: true,
    deadLetters: true,
    maxEventAge: Duration.hours(1),
  },
  announce: {
    description: 'Puts events for programs on the bus',
    obeys: ['eventBus'],
    timeout: Duration.minutes(3),
    outsideNetwork: true,
    // What the bus has refused waits in the database, and each look of the monitor rings again.
    retryAttempts: 0,
    maxEventAge: Duration.hours(1),
  },
  prune: {
    description: 'Every day: removes old history',
    obeys: ['retention', 'eventBus'],
    timeout: Duration.minutes(15),
    retryAttempts: 0,
    deadLetters: true,
    maxEventAge: Duration.hours(1),
  },
  migrate: {
    description: 'On deploy: brings schema viewkeeper and the views up to date; also serves the command line',
    obeys: ['viewOwner', 'eventBus', ...aboutReaders],
    // The function deploy, which waits for migrate, lives 15 minutes. If migrate lived longer, CloudFormation would hear
    // nothing of how it ended.
    timeout: Duration.minutes(14),
  },
}

export interface FunctionsProps {
  environmentName: string
  options: ValidOptions
  database: Database
  network: FunctionNetwork
  /** The queue for events that failed with all of Lambda's retries. */
  deadLetters: IQueue
  /** The folder of the schema steps. */
  schemaFolder: string
  /** The folder of the views' frozen migrations. */
  migrationsFolder: string
  /** Whether a deploy applies the views' migrations. */
  viewMigrations: boolean
}

/** The functions of one environment. */
export class Functions extends Construct {
  readonly all: Record<FunctionName, ViewkeeperFunction>

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id)
    const { environmentName, options, database, deadLetters } = props
    const ofEach = {
      VIEWKEEPER_ENVIRONMENT: environmentName,
      POWERTOOLS_SERVICE_NAME: 'viewkeeper',
      POWERTOOLS_METRICS_NAMESPACE: metricNamespace,
      POWERTOOLS_LOG_LEVEL: options.logLevel,
    }
    const create = (name: FunctionName) => {
      const {
        outsideNetwork,
        deadLetters: keepsDeadLetters,
        obeys = [],
        waits,
        ...ofFunction
      } = functions[name]
      return new ViewkeeperFunction(this, name, {
        name,
        environmentName,
        ...ofFunction,
        ...(name === 'monitor' ? lookTimes(options) : {}),
        logRetentionDays: options.logRetentionDays,
        memorySize: options.memorySize,
        tracing: options.tracing,
        network: outsideNetwork ? undefined : props.network,
        logins: outsideNetwork ? [] : loginsOf(name, database),
        deadLetters: keepsDeadLetters ? deadLetters : undefined,
        reservedConcurrency: waits ? options.reservedConcurrency : undefined,
        variables: {
          ...ofEach,
          ...(outsideNetwork ? {} : databaseVariables(database)),
          ...variablesOf(options, obeys),
          ...(waits ? longestWait(options) : {}),
          ...variables[name],
        },
        ...(name === 'migrate'
          ? { code: codeWithSql(name, { schema: props.schemaFolder, migrations: props.migrationsFolder }) }
          : {}),
      })
    }
    const variables: Partial<Record<FunctionName, Record<string, string>>> = {
      monitor: atLeastInfo(options),
      prune: atLeastInfo(options),
      migrate: {
        SCHEMA_FOLDER: './schema/',
        MIGRATIONS_FOLDER: './migrations/',
        ...(props.viewMigrations ? {} : { VIEW_MIGRATIONS: 'false' }),
        ...connectionVariables(database),
        ...(database.admin && loginVariables('DATABASE_ADMIN', database.admin)),
      },
    }
    this.all = Object.fromEntries(functionNames.map((name) => [name, create(name)])) as Record<
      FunctionName,
      ViewkeeperFunction
    >
    letOpenBatches(this.all['start-batch'].lambda, this.all.batch.lambda)
  }
}

/** Only `migrate` is the administrator, too. */
const loginsOf = (name: FunctionName, { login, admin }: Database): Login[] =>
  admin && name === 'migrate' ? [login, admin] : [login]

function letOpenBatches(startBatch: LambdaFunction, batch: LambdaFunction): void {
  startBatch.addEnvironment('BATCH_FUNCTION', batch.functionName)
  startBatch.addToRolePolicy(
    new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [batch.functionArn] }),
  )
}

/** A look that failed is tried again only if the next look is far. Looks that wait must not pile up. */
function lookTimes({
  monitorEveryMinutes,
}: ValidOptions): Pick<FunctionOptions, 'retryAttempts' | 'maxEventAge'> {
  const times = monitorTimes(monitorEveryMinutes)
  return times === null ? {} : { retryAttempts: times.retries, maxEventAge: times.interval }
}

/** The dashboard reads the log lines about runs, so these are logged whatever the environment's level is. */
const atLeastInfo = ({ logLevel }: ValidOptions): Record<string, string> => ({
  POWERTOOLS_LOG_LEVEL: logLevel === 'DEBUG' ? 'DEBUG' : 'INFO',
})

/** How many connections Viewkeeper's role may open. */
const connectionVariables = ({ connectionLimit }: Database): Record<string, string> =>
  connectionLimit === undefined ? {} : { CONNECTION_LIMIT: String(connectionLimit) }

/**
 * How long callers may wait if the concurrency is reserved: requests that arrive as fast as the API lets them in, and all wait,
 * occupy as many functions as are reserved.
 */
const longestWait = ({ reservedConcurrency, requestsPerSecond }: ValidOptions): Record<string, string> =>
  reservedConcurrency === undefined
    ? {}
    : { LONGEST_WAIT_SECONDS: String(Math.floor(reservedConcurrency / requestsPerSecond)) }
