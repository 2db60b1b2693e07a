import { Token } from 'aws-cdk-lib'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import * as z from 'zod'
import { named, told } from '../../src/config/told.ts'
import { nearest } from '../../src/sql/nearest.ts'
import { schedules } from './schedules.ts'

const retentionDays = Object.values(RetentionDays).filter(
  (days): days is RetentionDays => typeof days === 'number' && days < RetentionDays.INFINITE,
)
const isRetention = (days: number): days is RetentionDays => retentionDays.some((each) => each === days)
const retentionRule = `must be one of ${retentionDays.join(', ')}`

/** `false`, or a whole number. */
const falseOr = (from: number, to: number) => {
  const message = `must be false, or a number from ${from} to ${to}`
  return z.union([z.int(message).min(from, message).max(to, message), z.literal(false)], message)
}

/** A text of this form, or a text that only the deploy knows, such as the id of something that the app makes. */
export const textLike = (form: RegExp, message: string) =>
  z.string().refine((text) => Token.isUnresolved(text) || form.test(text), message)

const webAddress = /^https?:\/\/[\x21-\x7e]+$/
const busRule = 'must be false, or the name or the ARN of an event bus'

const retention = named(
  'RetentionOptions',
  'The history that is kept.',
  z.strictObject({
    successes: told(
      z
        .union([z.int().min(1).max(1_000_000), z.literal(false)], 'must be false, or a number from 1 on')
        .default(500),
      'Successes of each view; `false`: as all else.',
    ),
    days: told(z.int().min(1).max(3650).default(90), 'Days for everything else.'),
  }),
)

/** The fields of `ViewkeeperOptions`: of each its check, its default and its text. All else about an option comes from here. */
export const optionFields = {
  viewOwner: told(
    z
      .string()
      .regex(/^[\x20-\x7e]{1,63}$/, 'must be the name of a role, at most 63 ASCII characters')
      .optional(),
    'The owner of the views that Viewkeeper creates, unless a definition has [another](views.md#the-owner).',
    '`viewkeeper_views`',
  ),
  readOnReplicas: told(
    z.boolean().optional(),
    'Whether programs read the views [on replicas](replicas.md): `auto` is then `concurrent`. A definition may say otherwise.',
    'unknown: views are swapped, and `doctor` names standbys',
  ),
  withoutKey: told(
    z.enum(['swap', 'fail']).default('swap'),
    'What `auto` does then without a usable unique index: `swap`, while readers there wait, or `fail`.',
  ),
  regularUpToMs: told(
    z.int().min(0).max(1000).default(10),
    '`auto` is `regular`, the cheapest, if that usually takes no longer. 0: never.',
  ),
  skipUnchanged: told(
    z.boolean().default(false),
    'Whether a scheduled refresh is [left out](freshness.md#counted) if no table below has changed. Needs `grant pg_read_all_stats`. ' +
      'A definition may say otherwise.',
  ),
  skipAtMostHours: told(
    z.int().min(1).max(720).default(24),
    'Hours after which a view is refreshed all the same, 1 to 720.',
  ),
  alarmEmails: told(
    z.array(z.email()).default([]),
    'Addresses that get the mails. Each confirms once, by a link.',
    'nobody is mailed',
  ),
  pageUrl: told(
    textLike(webAddress, 'must be an address such as "https://views.example.com"').optional(),
    'Where you open [the page](page.md), such as `http://127.0.0.1:9000`: mails link it.',
    'no such links',
  ),
  runbookUrl: told(
    textLike(
      webAddress,
      'must be an address such as "https://docs.example.com/docs/runbook.html"',
    ).optional(),
    'Where [the runbook](runbook.md) is on the web: mails link its sections.',
    'the file in the installed package',
  ),
  logRetentionDays: told(
    z
      .number(retentionRule)
      .refine(isRetention, retentionRule)
      .transform((days) => days as RetentionDays)
      .default(RetentionDays.ONE_MONTH),
    'Days for which logs are kept.',
  ),
  logLevel: told(
    z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR']).default('INFO'),
    'What functions log besides what the dashboard reads.',
  ),
  requestsPerSecond: told(
    z.int().min(1).max(10_000).default(8),
    'Requests a second from all callers together, and at one moment.',
  ),
  reservedConcurrency: told(
    z.int().min(1).max(1_000).optional(),
    'Calls at once that Lambda [keeps for each](deploy.md#concurrency) of `create`, `refresh` and `drop`, and allows at most.',
    'none',
  ),
  memorySize: told(
    z.int().min(256).max(10_240).default(512),
    'Memory of each function, MB; more helps little.',
  ),
  schedules: told(
    schedules.optional(),
    'The [batches of the clock](schedules.md); `{}` has the defaults below.',
    'none',
  ),
  refreshOnDeploy: told(
    z.boolean().default(false),
    'Whether a deploy that changes code or migrations refreshes all views.',
  ),
  batchConcurrency: told(z.int().min(1).max(64).default(2), 'Views that a batch refreshes at once, 1 to 64.'),
  batchExchange: told(
    z.enum(['together', 'each']).default('together'),
    'Whether views that read each other are exchanged [`together`](batches.md#together) or `each` when it is ready.',
  ),
  maxShadowBytes: told(
    z.int().min(0).optional(),
    'Bytes for the shadows of a batch; a larger group is refreshed view by view.',
    'no limit',
  ),
  retention: told(retention.prefault({}), 'The history that is kept.', 'as below'),
  monitorEveryMinutes: told(
    falseOr(1, 60).default(1),
    'Minutes between two looks of the monitor, 1 to 60; `false`: [no monitor](monitoring.md#without-a-monitor), and no alarms about runs ' +
      'and views.',
  ),
  remindEveryHours: told(
    falseOr(1, 720).default(24),
    'Hours between reminders of troubles that last; `false`: none.',
  ),
  metricsPerView: told(
    z.boolean().default(false),
    'Whether [metrics](monitoring.md#metrics) name each view: up to 0.90 USD a month for one.',
  ),
  eventBus: told(
    z
      .union(
        [
          textLike(/^(arn:[\w-]+:events:[\w-]+:\d{12}:event-bus\/)?[\w./-]{1,256}$/, busRule),
          z.literal(false, busRule),
        ],
        busRule,
      )
      .default('default'),
    'The bus that gets the [events for programs](events.md); `false`: no events.',
  ),
  tracing: told(z.boolean().default(false), 'Whether X-Ray traces functions and batches, 5 USD per million.'),
}

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
  error: ({ code, input, inst, ...issue }) =>
    code === 'unrecognized_keys' && inst instanceof z.ZodObject
      ? unknownField(issue.keys as string[], Object.keys(inst.shape))
      : input === undefined
        ? 'is required'
        : undefined,
}

/** That there is no such field, and which was probably meant, or all that there are. */
function unknownField(keys: string[], known: string[]): string {
  const meant = keys.length === 1 ? nearest(keys[0]!, known) : undefined
  return `unknown field: ${meant === undefined ? `the fields are ${known.join(', ')}` : `did you mean ${meant}?`}`
}

/** One line for each mistake, with the name of its field. */
export const problemsOf = (error: z.ZodError): string[] => error.issues.flatMap(describe)

function describe(issue: z.core.$ZodIssue): string[] {
  const field = (...more: PropertyKey[]) => [...issue.path, ...more].map(String).join('.')
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${field(key)}: ${issue.message}`)
  if (issue.code === 'invalid_key')
    return [`${field()}: the name of an environment ${issue.issues[0]?.message}`]
  return [`${field()}: ${issue.message}`]
}
