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
      'The last successes of each view that are kept; `false`: the successes of the last `days` days.',
    ),
    days: told(z.int().min(1).max(3650).default(90), 'Days for which everything else is kept.'),
  }),
)

/** The fields of `ViewkeeperOptions`: of each its check, its default and its text. All else about an option comes from here. */
export const optionFields = {
  viewOwner: told(
    z
      .string()
      .regex(/^[\x20-\x7e]{1,63}$/, 'must be the name of a role, at most 63 ASCII characters')
      .optional(),
    'The role that owns the views that Viewkeeper creates, unless their definitions name [another owner](views.md#the-owner).',
    '`viewkeeper_views`',
  ),
  readOnReplicas: told(
    z.boolean().optional(),
    'Whether programs read the views [on replicas](replicas.md): strategy `auto` is then `concurrent`, which alone locks no ' +
      'reader out there. A definition may say otherwise.',
    'nobody has said so: views are swapped, and the doctor names the standbys that it sees',
  ),
  withoutKey: told(
    z.enum(['swap', 'fail']).default('swap'),
    'What `auto` does with a view that is read on replicas and has no usable unique index: `swap`, while readers there wait, ' +
      'or `fail`, with the index that is missing.',
  ),
  regularUpToMs: told(
    z.int().min(0).max(1000).default(10),
    'Milliseconds: `auto` refreshes a view `regular` if that usually takes no longer. Readers then wait no longer than for the ' +
      'exchange of a swap, and the refresh costs a fraction. 0: never.',
  ),
  skipUnchanged: told(
    z.boolean().default(false),
    'Whether a scheduled refresh is [left out](freshness.md#counted) if the counters of the server prove that no table that the ' +
      'query reads has changed. Needs `grant pg_read_all_stats`. A definition may say otherwise.',
  ),
  skipAtMostHours: told(
    z.int().min(1).max(720).default(24),
    'Hours after which a view is refreshed although the counters say that nothing has changed, 1 to 720.',
  ),
  alarmEmails: told(
    z.array(z.email()).default([]),
    'Addresses that get the mails of alarms. Each confirms once, by the link in its first mail.',
    'nobody is mailed',
  ),
  pageUrl: told(
    textLike(webAddress, 'must be an address such as "https://views.example.com"').optional(),
    'Where your people open [the page](page.md), such as `http://127.0.0.1:9000` if all of them type `viewkeeper open --port 9000`. ' +
      'Mails link the page of each view that they name.',
    'mails have no such links',
  ),
  runbookUrl: told(
    textLike(
      webAddress,
      'must be an address such as "https://docs.example.com/docs/runbook.html"',
    ).optional(),
    'Where [the runbook](runbook.md) stands on the web: mails link its sections.',
    'mails name the section in the installed package, `node_modules/viewkeeper/docs/runbook.md#stale-views`',
  ),
  logRetentionDays: told(
    z
      .number(retentionRule)
      .refine(isRetention, retentionRule)
      .transform((days) => days as RetentionDays)
      .default(RetentionDays.ONE_MONTH),
    'Days for which logs are kept: a number that CloudWatch accepts.',
  ),
  logLevel: told(
    z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR']).default('INFO'),
    'The least severe level that functions log; the lines that the dashboard reads are always logged.',
  ),
  requestsPerSecond: told(
    z.int().min(1).max(10_000).default(8),
    'Requests a second that the HTTP API accepts from all callers together, and at one moment. The default leaves some of the 10 ' +
      'functions that a new account may run at once.',
  ),
  reservedConcurrency: told(
    z.int().min(1).max(1_000).optional(),
    'Calls at once that Lambda [keeps for each of the functions](deploy.md#concurrency) `create`, `refresh` and `drop`, and lets through ' +
      'at most. Callers then wait so long at most that waiting alone cannot use them up.',
    'none; callers wait up to 25 s',
  ),
  memorySize: told(
    z.int().min(256).max(10_240).default(512),
    'Memory of each function in MB, 256 to 10,240. Lambda gives processor time in proportion. The database does the work, so more helps ' +
      'little.',
  ),
  schedules: told(
    schedules.optional(),
    'The batches that schedules start. The defaults of its fields count from `schedules: {}` on.',
    'nothing is refreshed by the clock',
  ),
  refreshOnDeploy: told(
    z.boolean().default(false),
    'Whether a deploy that changes code or migrations refreshes every view.',
  ),
  batchConcurrency: told(
    z.int().min(1).max(64).default(2),
    'Views that a batch of a schedule or a deploy refreshes at once, 1 to 64.',
  ),
  batchExchange: told(
    z.enum(['together', 'each']).default('together'),
    'Whether batches exchange views that read each other at one moment (`together`), or readers see each view when it is ready ' +
      '(`each`).',
  ),
  maxShadowBytes: told(
    z.int().min(0).optional(),
    'The room on disk that the shadows of one batch may take, in bytes; a group that needs more is refreshed view by view.',
    'no limit',
  ),
  retention: told(
    retention.prefault({}),
    'The history that is kept.',
    '500 successes of each view, and everything else for 90 days',
  ),
  monitorEveryMinutes: told(
    falseOr(1, 60).default(1),
    'Minutes between two calls of the monitor, 1 to 60. A lost run is closed, and an alarm is set off, up to that much later. ' +
      '`false`: [nothing calls the monitor](monitoring.md#without-a-monitor), and there are no alarms about runs and views.',
  ),
  remindEveryHours: told(
    falseOr(1, 720).default(24),
    'Hours after which alarms tell again of troubles of views that are not over, 1 to 720. `false`: never.',
  ),
  metricsPerView: told(
    z.boolean().default(false),
    'Whether the outcome of each run is published with the name of its view, too, for [your own alarms and ' +
      'graphs](monitoring.md). CloudWatch charges such a metric for each hour in which it gets a number: 0.30 USD for a whole ' +
      'month.',
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
    'The bus of EventBridge that gets the [events for programs](events.md): its name, or its ARN; `default` is the bus of the ' +
      'account. `false`: there are no events.',
  ),
  tracing: told(
    z.boolean().default(false),
    'Whether X-Ray traces the calls of the functions and the executions of batches: 5 USD per million traces, and X-Ray traces one request a second and a ' +
      'twentieth of the others. A network without a way out needs no endpoint for it, because Lambda itself sends the traces.',
  ),
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
