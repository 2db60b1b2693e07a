import * as z from 'zod'
import { schedules } from './schedules.ts'
import { named, told } from './told.ts'

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

const webAddress = /^https?:\/\/[\x21-\x7e]+$/

const nameRule =
  'must have at most 20 lower-case letters, digits and hyphens, begin with a letter, not end with a hyphen, and not have two hyphens in a row'

/**
 * The name of an environment is part of the name of every resource. CloudFormation makes the identifier of a database
 * server from the stack's name, and RDS refuses two hyphens in a row and a hyphen at the end.
 */
export const shortName = z
  .string()
  .max(20, nameRule)
  .regex(/^[a-z](-?[a-z0-9])*$/, nameRule)

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

/** The options that `viewkeeper serve` and an environment on AWS have: of each its check, its default and its text. */
export const commonFields = (isLater?: IsLater) => ({
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
    'What `auto` does with a view that is read on replicas and has no usable unique index: `swap` it, while readers of replicas wait, or `fail`.',
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
    'Addresses that get the mails. On AWS, each confirms once, by a link.',
    'nobody is mailed',
  ),
  pageUrl: told(
    textLike(webAddress, 'must be an address such as "https://views.example.com"', isLater).optional(),
    'Where you open [the page](page.md), such as `http://127.0.0.1:9000`: mails link it.',
    'no such links',
  ),
  runbookUrl: told(
    textLike(
      webAddress,
      'must be an address such as "https://docs.example.com/docs/runbook.html"',
      isLater,
    ).optional(),
    'Where [the runbook](runbook.md) is on the web: mails link its sections.',
    'the file in the installed package',
  ),
  logLevel: told(
    z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR']).default('INFO'),
    'What functions log besides what the dashboard reads.',
  ),
  schedules: told(
    z.union([schedules, z.literal(false)]).prefault({}),
    'The [batches of the clock](schedules.md); `false`: nothing is refreshed by the clock.',
    'as below',
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
    'Hours between reminders of incidents that last; `false`: none.',
  ),
})
