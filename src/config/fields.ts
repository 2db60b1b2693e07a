import * as z from 'zod'
import { timeZoneFault } from '../catalog/plan/scheduled.ts'
import { eventTypes, incidentKinds } from '../words/event.ts'
import { nearest } from '../words/names.ts'
import type { CommonOptions } from './options.ts'

/** What people read of a field besides its check: `npm run docs` writes it into the types and into docs/. */
export interface FieldHelp {
  text?: string
  /** What happens if the field is left out, and has no value for that. */
  otherwise?: string | undefined
  /** The type, if it has a name of its own. Of an object of options, `npm run docs` makes the type with its text. */
  named?: { name: string; text: string | undefined }
}

/** The texts of fields: of options, and of definitions. */
export const texts = z.registry<FieldHelp>()

/** A field with its text, the only one: what several fields share is made anew for each. Links are relative to docs/. */
export function told<T extends z.ZodType>(field: T, text: string, otherwise?: string): T {
  const before = texts.get(field)
  if (before?.text) throw new Error(`The field that says "${before.text}" may not also say "${text}".`)
  texts.add(field, { ...before, text, otherwise })
  return field
}

/** A schema with the name of its type. */
export function named<T extends z.ZodType>(name: string, text: string | undefined, schema: T): T {
  texts.add(schema, { named: { name, text } })
  return schema
}

/** `false`, or a whole number. */
const falseOr = (from: number, to: number) => {
  const message = `must be false, or a number from ${from} to ${to}`
  return z.union([z.int(message).min(from, message).max(to, message), z.literal(false)], message)
}

/** A text of this form, or one that only a deploy knows. */
export const textLike = (form: RegExp, message: string, isLater: IsLater = () => false) =>
  z.string().refine((text) => isLater(text) || form.test(text), message)

/** Whether a text stands for what only a deploy knows, such as the id of something that an app makes. */
type IsLater = (text: string) => boolean

const webAddress = (example: string, isLater?: IsLater) =>
  textLike(/^https?:\/\/[\x21-\x7e]+$/, `must be an address such as "${example}"`, isLater).optional()

const nameRule =
  'must have at most 20 lower-case letters, digits and hyphens, begin with a letter, not end with a hyphen, and not have two hyphens in a row'

/**
 * The name of an environment is part of the name of every resource. CloudFormation makes the identifier of a database
 * server from the stack's name, and RDS refuses two hyphens in a row and a hyphen at the end.
 */
export const shortName = textLike(/^(?!.{21})[a-z](-?[a-z0-9])*$/, nameRule)

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
  // Of what is an object or false: what is wrong inside the object.
  const inside =
    issue.code === 'invalid_union' ? issue.errors.flat().filter(({ path }) => path.length > 0) : []
  if (inside.length > 0)
    return inside.flatMap((each) => describe({ ...each, path: [...issue.path, ...each.path] }))
  if (issue.code === 'invalid_key') return [`${field()}: the name ${issue.issues[0]?.message}`]
  return [`${field()}: ${issue.message}`]
}

/** `hh:mm`. */
export const timeOfDay = () => textLike(/^([01]\d|2[0-3]):[0-5]\d$/, 'must look like "09:00"')

const timeZone = () =>
  z
    .string()
    .refine((name) => timeZoneFault(name) === null, {
      error: ({ input }) => timeZoneFault(String(input)) ?? '',
    })
    .default('Etc/UTC')

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

const quiet = named(
  'QuietOptions',
  'A time in which nobody is told.',
  z
    .strictObject({
      from: told(timeOfDay(), 'When it begins, `hh:mm`.'),
      to: told(timeOfDay(), 'When it ends, perhaps on the next day.'),
      timeZone: told(timeZone(), 'IANA name: `Europe/Berlin`.'),
      days: told(z.array(z.enum(days)).min(1).optional(), 'The days on which it begins: `sat`.', 'each day'),
    })
    .refine(({ from, to }) => from !== to, 'to: must not be the time of from'),
)

const nightly = named(
  'NightlyOptions',
  'The daily batch of every view.',
  z.strictObject({
    at: told(timeOfDay().default('02:00'), 'Time of day in `timeZone`, `hh:mm`.'),
    timeZone: told(timeZone(), 'IANA name: `Europe/Berlin`.'),
  }),
)

const schedules = named(
  'ScheduleOptions',
  'The batches that schedules start.',
  z.strictObject(
    {
      nightly: told(
        z
          .union([nightly, z.literal(false)], 'must be false, or like { at: "09:00", timeZone: "Etc/UTC" }')
          .prefault({}),
        'The daily batch of every view; `false`: none.',
        'as below',
      ),
      views: told(z.boolean().default(true), 'Whether schedules in definitions count, too.'),
    },
    {
      error: ({ code }) =>
        code === 'unrecognized_keys'
          ? "unknown field: the fields are nightly and views. When one view is refreshed stands in the view's own file: schedule, or targetLagSeconds"
          : undefined,
    },
  ),
)

const retention = named(
  'RetentionOptions',
  'The history that is kept.',
  z.strictObject({
    successes: told(falseOr(1, 1_000_000).default(500), 'Successes of each view; `false`: as all else.'),
    days: told(z.int().min(1).max(3650).default(90), 'Days for everything else.'),
  }),
)

/** The options of which `viewkeeper serve` and the construct on AWS are told alike. */
export const sharedFields = (isLater?: IsLater) => ({
  viewOwner: told(
    textLike(/^[\x20-\x7e]{1,63}$/, 'must be the name of a role, at most 63 ASCII characters').optional(),
    'The owner of the views that Viewkeeper creates, unless a definition has [another](views.md#the-owner).',
    '`viewkeeper_views`',
  ),
  skipUnchanged: told(
    z.boolean().default(false),
    'Whether a scheduled refresh is [left out](freshness.md#counted) if no table below has changed. Needs `grant pg_read_all_stats`. ' +
      'A definition may say otherwise.',
  ),
  alarmEmails: told(
    z.array(z.email()).default([]),
    'Addresses that get the mails. On AWS, each confirms once, by a link.',
    'nobody is mailed',
  ),
  pageUrl: told(
    webAddress('https://views.example.com', isLater),
    'Where you open [the page](page.md), such as `http://127.0.0.1:9000`: mails link it.',
    'no such links',
  ),
  runbookUrl: told(
    webAddress('https://docs.example.com/docs/runbook.html', isLater),
    'Where [the runbook](runbook.md) is on the web: mails link its sections.',
    'the file in the installed package',
  ),
  batchConcurrency: told(z.int().min(1).max(64).default(2), 'Views that a batch refreshes at once, 1 to 64.'),
})

/** The options of `viewkeeper serve` and of functions: of each its check, its default and its text. */
export const commonFields = () => ({
  ...sharedFields(),
  regularUpToMs: told(
    z.int().min(0).max(1000).default(50),
    '`auto` is `regular`, the cheapest, while that usually locks readers out no longer. 0: never.',
  ),
  skipAtMostHours: told(
    z.int().min(1).max(720).default(24),
    'Hours after which a view is refreshed all the same, 1 to 720.',
  ),
  logLevel: told(
    z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR']).default('INFO'),
    'What functions log besides what the dashboard reads.',
  ),
  schedules: told(
    z.union([schedules, z.literal(false)]).prefault({}),
    'The [batches of the clock](batches.md#when); `false`: nothing is refreshed by the clock.',
    'as below',
  ),
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
    'Hours between reminders of incidents that last; `false`: none.',
  ),
  quiet: told(
    quiet.optional(),
    'A time in which [nobody is told](monitoring.md#a-maintenance-window): limits count from its end.',
    'none',
  ),
})

/** Mail by SMTP. The addresses are those of `alarmEmails`. */
const smtp = named(
  'SmtpOptions',
  'The server that takes the mails.',
  z
    .strictObject({
      host: told(z.string().min(1), 'Its name.'),
      port: told(
        z.int().min(1).max(65_535).optional(),
        'Its port.',
        '465 with `implicit`, 25 with `none`, else 587',
      ),
      tls: told(
        z.enum(['starttls', 'implicit', 'none']).optional(),
        '`starttls`: the connection is encrypted before anything is sent, or nothing is sent; `implicit`: TLS from the first byte, ' +
          'usually on port 465; `none`: a relay on this machine.',
        '`implicit` on port 465, `none` on this machine without a `user`, else `starttls`',
      ),
      user: told(
        z.string().min(1).optional(),
        'The login there. The password is `VIEWKEEPER_SMTP_PASSWORD`, or in the file `VIEWKEEPER_SMTP_PASSWORD_FILE`.',
        'nobody logs in',
      ),
      from: told(z.email(), 'The sender of the mails.'),
    })
    .refine(
      ({ tls, user }) => tls !== 'none' || user === undefined,
      'user: a password is not sent without TLS; set tls to starttls or implicit',
    ),
)

const webhook = named(
  'WebhookOptions',
  'An address that gets events as CloudEvents, with a signature.',
  z.strictObject({
    url: told(
      z.url({
        protocol: /^https?$/,
        error: 'must be an address such as "https://hooks.example.com/viewkeeper"',
      }),
      'The address.',
    ),
    events: told(
      z.array(z.enum(eventTypes)).min(1).optional(),
      'The [types of events](events.md) that it gets.',
      'all of them',
    ),
  }),
)

const chat = named(
  'ChatOptions',
  'A channel of a chat that has an incoming hook.',
  z.strictObject({
    kind: told(
      z.enum(['slack', 'teams', 'discord']).default('slack'),
      'How the hook is spoken to: `slack` (also Mattermost, Rocket.Chat and Google Chat), `teams`, `discord`.',
    ),
    kinds: told(
      z.array(z.enum(incidentKinds)).min(1).optional(),
      'The kinds of incidents that it is told of: `failing`, `stale`.',
      'all',
    ),
    views: told(
      z.array(z.string().min(1)).min(1).optional(),
      'The views that it is told of, as globs: `sales.*`.',
      'all, and batches and channels',
    ),
  }),
)

/** Whom `viewkeeper serve` tells. Secrets are variables, or in files that variables name. */
export const notify = named(
  'NotifyOptions',
  'Whom `viewkeeper serve` tells.',
  z.strictObject({
    smtp: told(smtp.optional(), 'The server that takes the mails to `alarmEmails`.', 'there are no mails'),
    webhooks: told(
      z.record(shortName, webhook).default({}),
      'Programs that get events, by names. The key of `cache` is `VIEWKEEPER_WEBHOOK_KEY_CACHE`, or in the file `VIEWKEEPER_WEBHOOK_KEY_CACHE_FILE`.',
      'none',
    ),
    chat: told(
      z.record(shortName, chat).default({}),
      'Chats that get notices, by names. The address of the hook of `team` is `VIEWKEEPER_CHAT_URL_TEAM`, or in the file `VIEWKEEPER_CHAT_URL_TEAM_FILE`.',
      'none',
    ),
  }),
)

export type Notify = z.output<typeof notify>

/** What `viewkeeper serve` obeys. */
export const serveOptions = z.strictObject({
  ...commonFields(),
  environment: told(
    shortName.optional(),
    'The name that mails, the page and metrics give it, such as `shop-production`; variable `VIEWKEEPER_ENVIRONMENT`.',
    '`local`',
  ),
  notify: told(
    notify.prefault({}),
    'Whom `viewkeeper serve` [tells](monitoring-serve.md).',
    'nobody but the log',
  ),
})

/** The options that a keeper obeys. */
export type KeeperConfig = Omit<CommonOptions, 'alarmEmails' | 'pageUrl' | 'runbookUrl' | 'logLevel'> & {
  /** The name that its words and metrics give it, such as `shop-production`. Default: `local`. */
  environment?: string
}
