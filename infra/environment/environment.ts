import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import * as z from 'zod'
import { createdDatabase, importedDatabase } from './database.ts'
import { schedules } from './schedules.ts'

const retentionDays = Object.values(RetentionDays).filter(
  (days): days is RetentionDays => typeof days === 'number' && days < RetentionDays.INFINITE,
)

const environment = z.strictObject({
  /** AWS account, twelve digits. Default: that of the credentials that deploy. */
  account: z
    .string()
    .regex(/^\d{12}$/, 'must be twelve digits')
    .optional(),
  /** AWS region. Default: that of the credentials that deploy. */
  region: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must look like "eu-central-1"')
    .optional(),
  database: z.discriminatedUnion('kind', [createdDatabase, importedDatabase]),
  /** Addresses that alarms are mailed to; each confirms once, by a link. May be empty. */
  alarmEmails: z.array(z.email()),
  /** Days for which logs are kept, one of those CloudWatch knows. Default 30. */
  logRetentionDays: z
    .union(
      retentionDays.map((days) => z.literal(days)),
      `must be one of ${retentionDays.join(', ')}`,
    )
    .default(RetentionDays.ONE_MONTH),
  /** Least severe level that functions log. Default `INFO`. */
  logLevel: z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR']).default('INFO'),
  /** Requests a second that the HTTP API lets through; twice as many in a burst. Default 20. */
  requestsPerSecond: z.int().min(1).max(10_000).default(20),
  /** Which batches start by themselves. Default: none. */
  schedules: schedules.optional(),
  /** Whether a deploy that changes code or migrations refreshes every view. Default false. */
  refreshOnDeploy: z.boolean().default(false),
  /** Views that a batch refreshes at once that comes by schedule or deploy. Default 2. */
  batchConcurrency: z.int().min(1).max(64).default(2),
  /**
   * What of the history is kept: so many successes of each view (`false`: by age alone), and everything else for so many days.
   * Default: 500 successes, 90 days.
   */
  retention: z
    .strictObject({
      successes: z
        .union([z.literal(false), z.int().min(1).max(1_000_000)], 'must be false, or a number from 1 on')
        .default(500),
      days: z.int().min(1).max(3650).default(90),
    })
    .prefault({}),
  /** Minutes between two looks of the monitor: how soon a lost run is closed and an alarm goes off. Default 1. */
  monitorEveryMinutes: z.int().min(1).max(4).default(1),
  /**
   * Publishes what each ended run came to under its view's name too, for alarms and graphs of one's own. CloudWatch charges
   * such a metric for the hours in which it gets a number, 0.30 USD for a whole month of them. Default false.
   */
  metricsPerView: z.boolean().default(false),
  /** Tags of every resource, besides `viewkeeper:environment`. Default: none. */
  tags: z.record(z.string().min(1).max(128), z.string().max(256)).default({}),
})

const environmentsFile = z.record(
  z.string().regex(/^[a-z][a-z0-9-]{0,19}$/, 'must be at most 20 lower-case letters, digits and hyphens'),
  environment,
)

/** An environment as `environments.ts` writes it: fields with a default may be left out. */
export type EnvironmentOptions = z.input<typeof environment>

/** An environment after validation, with every default filled in. */
export type Environment = z.output<typeof environment>

/** Something is wrong with the environments; its message is for the person who edits them. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError'
}

/** Validates every environment and lists all problems together, each with the name of its field. */
export function parseEnvironments(settings: unknown): Record<string, Environment> {
  const result = environmentsFile.safeParse(settings)
  if (result.success) return result.data
  const problems = result.error.issues.flatMap(describe)
  throw new EnvironmentError(['infra/environments.ts is not valid:', ...problems].join('\n  '))
}

/** The environment asked for by `-c env=<name>`; names the known ones when it is missing or unknown. */
export function chooseEnvironment(
  settings: unknown,
  name: unknown,
): { name: string; environment: Environment } {
  const environments = parseEnvironments(settings)
  const environment = typeof name === 'string' && Object.hasOwn(environments, name) && environments[name]
  if (environment) return { name: name as string, environment }
  const known = Object.keys(environments).join(', ')
  const problem = name === undefined ? 'say which environment' : `there is no environment "${name}"`
  throw new EnvironmentError(`${problem}: -c env=<name>, one of: ${known} (infra/environments.ts)`)
}

function describe(issue: z.core.$ZodIssue): string[] {
  const field = (...more: PropertyKey[]) => [...issue.path, ...more].map(String).join('.')
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${field(key)}: unknown field`)
  if (issue.code === 'invalid_key')
    return [`${field()}: the name of an environment ${issue.issues[0]?.message}`]
  if (issue.code === 'invalid_union') return [`${field()}: ${issue.message}`]
  return [`${field()}: ${issue.message}`]
}
