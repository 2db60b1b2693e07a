import { aboutReaders, type FunctionOption } from '../config/variables.ts'

/** The functions that people and programs know. */
export const functionNames = [
  'create',
  'refresh',
  'drop',
  'start-batch',
  'batch',
  'api',
  'monitor',
  'send',
  'prune',
  'migrate',
] as const

export type FunctionName = (typeof functionNames)[number]

/** The functions that answer routes. */
export type HttpFunctionName = Extract<FunctionName, 'create' | 'refresh' | 'drop' | 'start-batch' | 'api'>

/** A Lambda function. */
export type DeployedName = FunctionName | 'deploy'

/** What a function is deployed with. What is left out is as Lambda has it. */
export interface FunctionTraits {
  description: string
  /** The longest life of a call. */
  seconds: number
  /**
   * As whom the function logs in to the database, from inside its network. Left out, it stays outside, unless the app says `allFunctionsInVpc`:
   * in the network it needs endpoints of Lambda, Step Functions, SNS and EventBridge, which cost money.
   */
  worksAs?: 'role' | 'role and administrator'
  /** The function that it calls. */
  calls?: 'batch' | 'monitor' | 'migrate'
  /** The options that it is told. */
  obeys?: readonly FunctionOption[]
  /** Whether a caller may wait in the function for a run. */
  waits?: boolean
  /** Whether the dashboard reads its log lines: they are logged whatever the environment's level is. */
  isRead?: boolean
  /** Whether an asynchronous event that failed with every retry becomes a dead letter. */
  deadLetters?: boolean
  /** Retries of an asynchronous event; Lambda's own are 2. */
  retries?: number
  /** The age at which Lambda drops an asynchronous event that waits for want of concurrency; Lambda's own is 6 hours. */
  eventSeconds?: number
}

/** Functions that say when a view is refreshed next, or what is due, are told when schedules and the monitor do something. */
const aboutTimes = ['schedules', 'monitorEveryMinutes', 'batchConcurrency'] as const

/** The longest life that Lambda gives. */
const longest = 900
/** HTTP APIs give up after 30 s. */
const forHttp = 29
const anHour = 3600

const operation = {
  seconds: longest,
  worksAs: 'role',
  waits: true,
  deadLetters: true,
  eventSeconds: anHour,
} as const

/**
 * What each function is deployed with: one file in `functions/` each. The local process takes the lives of its calls from here,
 * too. `deploy` is there for CloudFormation.
 */
export const functions: Record<DeployedName, FunctionTraits> = {
  create: {
    description: 'Creates one view from its definition, for a schedule or an HTTP request',
    obeys: ['viewOwner', ...aboutReaders],
    ...operation,
  },
  refresh: {
    description: 'Refreshes one view, for a schedule or an HTTP request',
    obeys: aboutReaders,
    ...operation,
  },
  drop: {
    description: 'Drops one view, for a schedule or an HTTP request',
    ...operation,
  },
  'start-batch': {
    description: 'Starts a batch, for an HTTP request or for target lags',
    seconds: forHttp,
    calls: 'batch',
  },
  batch: {
    description: 'Records a batch, and advances it, for start-batch and for the state machine',
    obeys: ['batchExchange', 'maxShadowBytes', ...aboutTimes, ...aboutReaders],
    // start-batch waits until a batch is recorded. That is answered within 26.5 s, of which 22.5 s may pass until the database wakes.
    seconds: longest,
    worksAs: 'role',
  },
  api: {
    description: 'Answers the HTTP requests that read, cancel, pause and resume',
    obeys: [...aboutTimes, ...aboutReaders],
    seconds: forHttp,
    worksAs: 'role',
  },
  monitor: {
    description:
      'For send: closes lost runs, publishes ended runs, finds stale views, and hands out what waits',
    obeys: [
      ...aboutTimes,
      'remindEveryHours',
      'quiet',
      'metricsPerView',
      'eventBus',
      'pageUrl',
      'runbookUrl',
    ],
    seconds: 60,
    worksAs: 'role',
    isRead: true,
  },
  // What one look leaves, the next one does: a dead letter for each minute of an outage would help nobody.
  send: {
    description:
      'Has the monitor look, sends what waits to people and programs, has start-batch start what is due',
    obeys: ['eventBus'],
    // A function in the network that sleeps wakes within a minute or two.
    seconds: 240,
    calls: 'monitor',
  },
  prune: {
    description: 'Every day: removes old history',
    obeys: ['retention', 'eventBus'],
    seconds: longest,
    worksAs: 'role',
    isRead: true,
    retries: 0,
    deadLetters: true,
    eventSeconds: anHour,
  },
  migrate: {
    description: 'On deploy: brings schema viewkeeper and the views up to date; also serves the command line',
    obeys: ['viewOwner', ...aboutReaders],
    // A minute less than deploy lives, which waits for it: else CloudFormation would hear nothing of how it ended.
    seconds: longest - 60,
    worksAs: 'role and administrator',
  },
  deploy: {
    description: 'On deploy: calls migrate for CloudFormation, starts a batch if it has to, and answers',
    seconds: longest,
    calls: 'migrate',
  },
}
