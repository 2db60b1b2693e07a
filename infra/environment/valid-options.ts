import { Token } from 'aws-cdk-lib'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import * as z from 'zod'
import { commonFields, textLike as like } from '../../src/config/fields.ts'
import { inWords, problemsOf } from '../../src/config/problems.ts'
import { told } from '../../src/config/told.ts'

const retentionDays = Object.values(RetentionDays).filter(
  (days): days is RetentionDays => typeof days === 'number' && days < RetentionDays.INFINITE,
)
const retentionRule = `must be one of ${retentionDays.join(', ')}`

/** A text of this form, or a text that only the deploy knows, such as the id of something that the app makes. */
export const textLike = (form: RegExp, message: string) => like(form, message, Token.isUnresolved)

const busRule = 'must be false, or the name or the ARN of an event bus'

/** The fields of `ViewkeeperOptions`: of each its check, its default and its text. All else about an option comes from here. */
export const optionFields = {
  ...commonFields(Token.isUnresolved),
  logRetentionDays: told(
    z
      .number(retentionRule)
      .refine((days) => retentionDays.some((each) => each === days), retentionRule)
      .default(RetentionDays.ONE_MONTH)
      .transform((days) => days as RetentionDays),
    'Days for which logs are kept.',
  ),
  requestsPerSecond: told(
    z.int().min(1).max(10_000).default(8),
    'The most requests that the API takes in a second, from all callers together; more are answered `429`.',
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
  refreshOnDeploy: told(
    z.boolean().default(false),
    'Whether a deploy that changes code or migrations refreshes all views.',
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

/** `ViewkeeperOptions` after validation, with every default filled in. */
export type ValidOptions = z.output<z.ZodObject<typeof optionFields, z.core.$strict>>

/** A mistake in the options. The message is for the person who edits them. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError'
}

/** The options with every default filled in. The error lists all mistakes under the title, each with the name of its field. */
export function parseOptions<Schema extends z.ZodType>(
  schema: Schema,
  options: unknown,
  title: string,
): z.output<Schema> {
  const result = schema.safeParse(options, inWords)
  if (result.success) return result.data
  throw new OptionsError([title, ...problemsOf(result.error)].join('\n  '))
}

/** Refuses the props of the construct at a path: `problems` are lines with the name of a prop. */
export function refuseProps(path: string, problems: string[]): never {
  throw new OptionsError([`The props of Viewkeeper ${path} are not valid:`, ...problems].join('\n  '))
}
