import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import * as z from 'zod'
import { createdDatabase, importedDatabase } from './database.ts'
import { schedules } from './schedules.ts'

const retentionDays = Object.values(RetentionDays).filter(
  (days): days is RetentionDays => typeof days === 'number' && days < RetentionDays.INFINITE,
)

/** `false`, or a whole number. */
const falseOr = (from: number, to: number) => {
  const message = `must be false, or a number from ${from} to ${to}`
  return z.union([z.literal(false), z.int(message).min(from, message).max(to, message)], message)
}
const nameRule =
  'must have at most 20 lower-case letters, digits and hyphens, begin with a letter, not end with a hyphen, and not have two hyphens in a row'

const environment = z.strictObject({
  /** AWS account, twelve digits. Default: the account of the credentials that deploy. */
  account: z
    .string()
    .regex(/^\d{12}$/, 'must be twelve digits')
    .optional(),
  /** AWS region. Default: the region of the credentials that deploy. */
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must look like "eu-central-1"')
    .optional(),
  database: z.discriminatedUnion('kind', [createdDatabase, importedDatabase]),
  /**
   * The role that owns the views that Viewkeeper creates, unless their definitions name another owner. Default:
   * `viewkeeper_views`.
   */
  viewOwner: z
    .string()
    .regex(/^[\x20-\x7e]{1,63}$/, 'must be the name of a role, at most 63 ASCII characters')
    .optional(),
  /** Addresses that get the alarms. Each confirms once, by the link in its first mail. May be empty. */
  alarmEmails: z.array(z.email()),
  /** Days for which logs are kept: a number that CloudWatch allows. Default 30. */
  logRetentionDays: z
    .union(
      retentionDays.map((days) => z.literal(days)),
      `must be one of ${retentionDays.join(', ')}`,
    )
    .default(RetentionDays.ONE_MONTH),
  /** The least severe level that functions log. Default `INFO`. */
  logLevel: z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR']).default('INFO'),
  /** Requests a second that the HTTP API accepts; a burst may be twice as many. Default 20. */
  requestsPerSecond: z.int().min(1).max(10_000).default(20),
  /**
   * Where the API can be called from: `public`, from everywhere, or `private`, only through an endpoint of API Gateway
   * in a VPC (about 7.30 USD a month in each zone). Callers sign in both cases. Default `public`.
   */
  api: z.enum(['public', 'private']).default('public'),
  /**
   * For a private API: the endpoint (service `execute-api`) that its callers use, `vpce-…`. Default: the stack makes
   * one in the network of the database, which only lets in what you allow in its security group.
   */
  apiEndpointId: z
    .string()
    .regex(/^vpce-[0-9a-f]{8,17}$/, 'must look like "vpce-0123456789abcdef0"')
    .optional(),
  /** The batches that schedules start. Default: none. */
  schedules: schedules.optional(),
  /** Whether a deploy that changes code or migrations refreshes every view. Default false. */
  refreshOnDeploy: z.boolean().default(false),
  /** Views that a batch of a schedule or a deploy refreshes at once. Default 2. */
  batchConcurrency: z.int().min(1).max(64).default(2),
  /** Whether batches exchange views that read each other at one moment. Default `together`. */
  batchExchange: z.enum(['together', 'each']).default('together'),
  /** The room on disk that the twins of one batch may take, in bytes. Default: no limit. */
  maxTwinBytes: z.int().min(0).optional(),
  /**
   * The history that is kept: the last `successes` successes of each view (`false`: the successes of the last
   * `days` days), and everything else for `days` days. Default: 500 successes, 90 days.
   */
  retention: z
    .strictObject({
      successes: z
        .union([z.literal(false), z.int().min(1).max(1_000_000)], 'must be false, or a number from 1 on')
        .default(500),
      days: z.int().min(1).max(3650).default(90),
    })
    .prefault({}),
  /**
   * Minutes between two calls of the monitor. A lost run is closed, and an alarm is set off, up to that much later.
   * `false`: nothing calls the monitor, and there are no alarms about runs and views. Default 1.
   */
  monitorEveryMinutes: falseOr(1, 60).default(1),
  /**
   * Hours after which alarms tell again of views that are still stale, missing or set aside. `false`: never.
   * Default 24.
   */
  remindEveryHours: falseOr(1, 720).default(24),
  /**
   * Whether the outcome of each run is published with the name of its view, too, for your own alarms and
   * graphs. CloudWatch charges such a metric for each hour in which it gets a number: 0.30 USD for a whole
   * month. Default false.
   */
  metricsPerView: z.boolean().default(false),
  /**
   * Whether X-Ray traces the calls of the functions: 5 USD per million traces, and X-Ray traces one request a second
   * and a twentieth of the others. Default false.
   */
  tracing: z.boolean().default(false),
  /** Tags of every resource in addition to `viewkeeper:environment`. Default: none. */
  tags: z.record(z.string().min(1).max(128), z.string().max(256)).default({}),
})

const wholeEnvironment = environment.refine(
  ({ api, apiEndpointId }) => api === 'private' || apiEndpointId === undefined,
  {
    path: ['apiEndpointId'],
    message: "is only for api: 'private'",
  },
)

/**
 * The name is part of the name of every resource. CloudFormation makes the identifier of a database server from the
 * stack's name, and RDS refuses two hyphens in a row and a hyphen at the end.
 */
const environmentsFile = z.record(
  z
    .string()
    .max(20, nameRule)
    .regex(/^[a-z](-?[a-z0-9])*$/, nameRule),
  wholeEnvironment,
)

/** An environment as `environments.ts` writes it: fields with a default may be left out. */
export type EnvironmentOptions = z.input<typeof environment>

/** An environment after validation, with every default filled in. */
export type Environment = z.output<typeof environment>

/** A mistake in the environments. The message is for the person who edits them. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError'
}

/** Validates every environment. The error lists all mistakes, each with the name of its field. */
export function parseEnvironments(options: unknown): Record<string, Environment> {
  const result = environmentsFile.safeParse(options)
  if (result.success) return result.data
  const problems = result.error.issues.flatMap(describe)
  throw new EnvironmentError(['infra/environments.ts is not valid:', ...problems].join('\n  '))
}

/** The environment that `-c env=<name>` names. If it names none, the error lists the known ones. */
export function chooseEnvironment(
  options: unknown,
  name: unknown,
): { name: string; environment: Environment } {
  const environments = parseEnvironments(options)
  const environment = typeof name === 'string' && Object.hasOwn(environments, name) && environments[name]
  if (environment) return { name: name as string, environment }
  const known = Object.keys(environments).join(', ')
  const problem = name === undefined ? 'no environment is named' : `there is no environment "${name}"`
  throw new EnvironmentError(`${problem}: write -c env=<name> with one of: ${known} (infra/environments.ts)`)
}

function describe(issue: z.core.$ZodIssue): string[] {
  const field = (...more: PropertyKey[]) => [...issue.path, ...more].map(String).join('.')
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${field(key)}: unknown field`)
  if (issue.code === 'invalid_key')
    return [`${field()}: the name of an environment ${issue.issues[0]?.message}`]
  return [`${field()}: ${issue.message}`]
}
