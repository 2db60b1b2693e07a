import { Token } from 'aws-cdk-lib'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import * as z from 'zod'
import { schedules } from './schedules.ts'

const retentionDays = Object.values(RetentionDays).filter(
  (days): days is RetentionDays => typeof days === 'number' && days < RetentionDays.INFINITE,
)
const isRetention = (days: number): days is RetentionDays => retentionDays.some((each) => each === days)
const retentionRule = `must be one of ${retentionDays.join(', ')}`

/** `false`, or a whole number. */
const falseOr = (from: number, to: number) => {
  const message = `must be false, or a number from ${from} to ${to}`
  return z.union([z.literal(false), z.int(message).min(from, message).max(to, message)], message)
}

/** A text of this form, or a text that only the deploy knows, such as the id of something that the app makes. */
export const textLike = (form: RegExp, message: string) =>
  z.string().refine((text) => Token.isUnresolved(text) || form.test(text), message)

/** The fields of `ViewkeeperOptions`, with their defaults. */
export const optionFields = {
  viewOwner: z
    .string()
    .regex(/^[\x20-\x7e]{1,63}$/, 'must be the name of a role, at most 63 ASCII characters')
    .optional(),
  alarmEmails: z.array(z.email()).default([]),
  logRetentionDays: z
    .number(retentionRule)
    .refine(isRetention, retentionRule)
    .transform((days) => days as RetentionDays)
    .default(RetentionDays.ONE_MONTH),
  logLevel: z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR']).default('INFO'),
  requestsPerSecond: z.int().min(1).max(10_000).default(20),
  api: z.enum(['public', 'private']).default('public'),
  apiEndpointId: textLike(/^vpce-[0-9a-f]{8,17}$/, 'must look like "vpce-0123456789abcdef0"').optional(),
  schedules: schedules.optional(),
  refreshOnDeploy: z.boolean().default(false),
  batchConcurrency: z.int().min(1).max(64).default(2),
  batchExchange: z.enum(['together', 'each']).default('together'),
  maxTwinBytes: z.int().min(0).optional(),
  retention: z
    .strictObject({
      successes: z
        .union([z.literal(false), z.int().min(1).max(1_000_000)], 'must be false, or a number from 1 on')
        .default(500),
      days: z.int().min(1).max(3650).default(90),
    })
    .prefault({}),
  monitorEveryMinutes: falseOr(1, 60).default(1),
  remindEveryHours: falseOr(1, 720).default(24),
  metricsPerView: z.boolean().default(false),
  tracing: z.boolean().default(false),
}

/** Whether the endpoint of a private API is named for a private API. */
export const hasUseForEndpoint = ({
  api,
  apiEndpointId,
}: {
  api: 'public' | 'private'
  apiEndpointId?: string
}) => api === 'private' || apiEndpointId === undefined

export const noUseForEndpoint = { path: ['apiEndpointId'], message: "is only for api: 'private'" }

const nameRule =
  'must have at most 20 lower-case letters, digits and hyphens, begin with a letter, not end with a hyphen, and not have two hyphens in a row'

/**
 * The name of an environment is part of the name of every resource. CloudFormation makes the identifier of a database
 * server from the stack's name, and RDS refuses two hyphens in a row and a hyphen at the end.
 */
export const environmentName = z
  .string()
  .max(20, nameRule)
  .regex(/^[a-z](-?[a-z0-9])*$/, nameRule)

/** `ViewkeeperOptions` after validation, with every default filled in. */
export type ValidOptions = z.output<z.ZodObject<typeof optionFields, z.core.$strict>>

/** A mistake in the options. The message is for the person who edits them. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError'
}

/** Refuses the props of the construct at a path: `problems` are lines with the name of a prop. */
export function refuseProps(path: string, problems: string[]): never {
  throw new OptionsError([`The props of Viewkeeper ${path} are not valid:`, ...problems].join('\n  '))
}

/** How options are parsed: what a person has left out is required, and not "undefined". */
export const inWords: z.core.ParseContext<z.core.$ZodIssue> = {
  error: ({ input }) => (input === undefined ? 'is required' : undefined),
}

/** One line for each mistake, with the name of its field. */
export const problemsOf = (error: z.ZodError): string[] => error.issues.flatMap(describe)

function describe(issue: z.core.$ZodIssue): string[] {
  const field = (...more: PropertyKey[]) => [...issue.path, ...more].map(String).join('.')
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${field(key)}: unknown field`)
  if (issue.code === 'invalid_key')
    return [`${field()}: the name of an environment ${issue.issues[0]?.message}`]
  return [`${field()}: ${issue.message}`]
}
