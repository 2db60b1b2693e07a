import * as z from 'zod'
import {
  type Definition,
  otherwises,
  outsideClock,
  storages,
  strategies,
} from '../catalog/plan/definition.ts'
import { timeZoneFault } from '../catalog/plan/scheduled.ts'
import { named, told } from '../config/fields.ts'
import { identifierFault, nameFault, schemaFault } from '../sql/new-names.ts'
import type { QueryInput } from './inputs.ts'
import { scheduleFault } from './schedule.ts'

const privileges = [
  'select',
  'insert',
  'update',
  'delete',
  'truncate',
  'references',
  'trigger',
  'maintain',
  'all',
] as const

const authored = checked(identifierFault('') as string, identifierFault)
const name = authored.check(refusing(nameFault))
const columns = z
  .array(
    identifier('must be the name of a column, at most 63 bytes'),
    "must be a list of columns: ['a', 'b']",
  )
  .min(1, "must name at least one column: ['a']")
const flag = z.boolean('must be true or false')

const percent = matching(/^\d+(\.\d+)?\s?%$/, 'must be a part of the last number of rows: "50%"')

const duration = (what: string, like: string) =>
  matching(/^\d+\s?(s|min|h|d|seconds?|minutes?|hours?|days?|weeks?|months?)$/, `must be ${what}: ${like}`)

/** The common checks by name; any other name is that of a query. */
const checksSchema = z
  .object(
    {
      notEmpty: z.literal(true, 'must be true, or left out').optional(),
      notNull: columns.optional(),
      unique: z.array(columns, "must be a list of lists of columns: [['day', 'shop']]").min(1).optional(),
      accepted: z
        .record(
          z.string(),
          z
            .array(z.union([z.string(), z.number(), flag]), 'must be a list of values')
            .min(1, 'must name at least one value'),
          "must name values by column: { state: ['open', 'closed'] }",
        )
        .optional(),
      references: z
        .record(
          z.string(),
          z.string('must name a table with its schema and a column: "app.shops (id)"'),
          "must name a table and a column by column: { shop: 'app.shops (id)' }",
        )
        .optional(),
      rows: z
        .strictObject(
          { atLeast: whole(0).optional(), changeAtMost: percent.optional() },
          "must be an object: { atLeast: 1000, changeAtMost: '50%' }",
        )
        .optional(),
      freshest: z
        .strictObject(
          {
            column: identifier('must be the name of a column, at most 63 bytes'),
            within: duration('an age', '"90 min", "26 h", "2 days"'),
          },
          "must be an object: { column: 'ordered_at', within: '26 h' }",
        )
        .optional(),
      differs: z
        .strictObject(
          { atMost: matching(/^\d+(\.\d+)?\s?%$/, 'must be a part of the rows: "5%"') },
          "must be an object: { atMost: '5%' }",
        )
        .optional(),
      severity: z
        .record(z.string(), z.literal('warn', 'must be "warn"'), "must name checks: { 'no future': 'warn' }")
        .optional(),
    },
    "must be an object: { notEmpty: true, 'no future': 'select …' }",
  )
  .catchall(z.string('must be a query that returns no row: "select …"'))
  .check(({ value, issues }) => {
    for (const check of Object.keys(value)) {
      const message = identifierFault(check)
      if (message !== null) issues.push({ code: 'custom', input: value, path: [check], message })
    }
  })

/**
 * The fields of a view as its author writes it: of each its check by itself, and its text. The elements of `indexes` and `grants`
 * have schemas of their own. All else about a field comes from here and from `definition.ts`.
 */
export const viewFields = {
  schema: told(authored.check(refusing(schemaFault)).optional(), "The view's schema, which must exist."),
  name: told(name, "The view's name, exactly as written."),
  query: told(
    named(
      'QueryInput',
      undefined,
      z.custom<QueryInput>(isQuery, 'must be SQL as a text, or a query of Kysely or Drizzle'),
    ),
    'One `select`: a text, an imported `.sql` file, or a Kysely or Drizzle query without bound values.',
  ),
  uniqueKey: told(
    named('readonly string[]', undefined, columns).optional(),
    'The columns that identify a row; they get the unique index `<name>_key`.',
    'none',
  ),
  indexes: told(
    named(
      'readonly IndexInput[]',
      undefined,
      z.array(z.unknown(), "must be a list: [{ columns: ['a'] }]"),
    ).optional(),
    "Further indexes: `{ columns, name, unique, using, where, include }`, or in SQL `{ on: '(lower(name))', name, unique }`.",
    'none',
  ),
  strategy: told(
    named('Strategy', undefined, oneOf(strategies)).optional(),
    'The [strategy](strategies.md) of a refresh: `auto`, `swap`, `concurrent` or `regular`.',
  ),
  schedule: told(
    checked('must be a text: "0 6 * * *"', (text) =>
      text === outsideClock ? null : scheduleFault(text),
    ).optional(),
    'Five-field cron; views with the same `schedule` and `timeZone` are one [batch](batches.md#when). ' +
      '`none`: [something else](freshness.md#another-clock) owns the clock.',
    'never',
  ),
  timeZone: told(
    checked('must be a text: "Europe/Berlin"', timeZoneFault).optional(),
    'The time zone of `schedule`, required with it.',
    'none',
  ),
  targetLagSeconds: told(
    whole(1).optional(),
    'How old the data may become ([target lag](freshness.md#target-lag)), at least 60; with `slices`, [at least 1](slices.md#a-target-lag-of-seconds). Instead of a `schedule`.',
    'none',
  ),
  settings: told(
    named(
      'Readonly<Record<string, string | number | boolean>>',
      undefined,
      z.record(
        z.string(),
        z.union([z.string(), z.number(), z.boolean()], 'must be a text, a number, true or false'),
        "must be an object: { work_mem: '256MB' }",
      ),
    ).optional(),
    "Session settings of its runs, such as `{ work_mem: '256MB' }`.",
    "the server's",
  ),
  timeoutSeconds: told(
    whole(1, 86_400).optional(),
    'The time after which the server cancels an operation, 1 to 86400.',
  ),
  retries: told(whole(0).optional(), 'How often a batch retries a failed refresh.'),
  retryDelaySeconds: told(whole(0).optional(), 'The wait before each retry.'),
  onChange: told(
    flag.optional(),
    'Whether the target lag refreshes only [after a change](freshness.md#on-change).',
    '`false`',
  ),
  suspendAfterFailures: told(
    whole(0, 20).optional(),
    'After so many failed scheduled refreshes, the view is [suspended](freshness.md#enough-is-enough). 0: never.',
  ),
  maxStalenessSeconds: told(
    whole(1).optional(),
    'The age above which the data is [stale](monitoring.md#alarms), at least 1.',
    'from `targetLagSeconds` or `schedule`, else never',
  ),
  minIntervalSeconds: told(
    whole(0).optional(),
    'A direct request within this time after a refresh is answered with that refresh.',
    '0',
  ),
  inAll: told(flag.optional(), 'Whether a batch of all views includes this view.'),
  skipUnchanged: told(
    flag.optional(),
    'Whether a scheduled refresh is [left out](freshness.md#counted) if no table below has changed.',
    "the environment's",
  ),
  dependsOn: told(
    named(
      'readonly string[]',
      undefined,
      z.array(z.string('must be a text: "public.sales"'), "must be a list of views: ['public.sales']"),
    ).optional(),
    'Views and tables that functions in the query read, for order and [age](freshness.md).',
    'none',
  ),
  checks: told(
    named('Checks', undefined, checksSchema).optional(),
    "[What has to hold](checks.md) for new data before readers see them: `{ notEmpty: true, 'no future': 'select …' }`.",
    'none',
  ),
  slices: told(
    named(
      'SlicesDefinition',
      undefined,
      z.strictObject(
        {
          by: identifier('must be the name of a column, at most 63 bytes'),
          wholeEvery: duration('a time', '"12 h", "1 day", "2 weeks"').optional(),
        },
        "must be an object: { by: 'day', wholeEvery: '1 day' }",
      ),
    ).optional(),
    'By which column refreshes compute [only the slices that changed](slices.md), and how often all rows (default: once a day).',
    'all rows, each time',
  ),
  live: told(
    named(
      'LiveDefinition',
      undefined,
      z.union(
        [z.literal(true), z.strictObject({ otherwise: oneOf(otherwises) })],
        "must be true, or say what it shows where nobody knows what changed: { otherwise: 'query' }, 'stored' or 'error'",
      ),
    ).optional(),
    'Also a plain view `<name>_live`, [exact at every read](live.md); with `slices`.',
    'none',
  ),
  storage: told(
    named('ViewStorage', undefined, oneOf(storages)).optional(),
    '`table`: an [incremental table](slices.md#incremental-tables), of which a refresh writes only the rows that differ, beside readers.',
  ),
  comment: told(z.string('must be a text').optional(), 'Comment on the view.', 'none'),
  grants: told(
    named(
      'readonly GrantInput[]',
      undefined,
      z.array(z.unknown(), "must be a list: [{ privileges: ['select'], to: 'reporting' }]"),
    ).optional(),
    "Privileges on the view: `{ privileges: ['select'], to: 'reporting', columns, grantOption }`; `public` means every role.",
    'default privileges',
  ),
  owner: told(
    identifier('must be the name of a role, at most 63 bytes: "app_owner"').optional(),
    'The role that [owns the view](views.md#the-owner), and as which its query and indexes run.',
    "the environment's `viewOwner`, or the present owner",
  ),
} satisfies Record<Exclude<keyof Definition, 'sql'> | 'query' | 'uniqueKey' | 'onChange' | 'live', z.ZodType>

export const viewSchema = z.strictObject(viewFields, 'must be an object: defineView({ name, query })')

export const indexSchema = z.strictObject(
  {
    name: name.optional(),
    unique: flag.optional(),
    columns: columns.optional(),
    on: z.string('must be a text: "(a) where b > 0"').optional(),
    using: matching(/^[a-z_][a-z0-9_]*$/, 'must be the name of an access method: "gin"').optional(),
    where: z.string('must be a condition: "total > 0"').optional(),
    include: columns.optional(),
  },
  "must be an object: { columns: ['a'] }",
)

export const grantSchema = z.strictObject(
  {
    privileges: z
      .array(
        z
          .string(`must be one of ${privileges.join(', ')}`)
          .toLowerCase()
          .pipe(oneOf(privileges)),
        "must be a list: ['select']",
      )
      .min(1, "must name at least one privilege: ['select']"),
    columns: columns.optional(),
    to: identifier('must be the name of a role, at most 63 bytes, or "public" for everybody'),
    grantOption: flag.optional(),
  },
  "must be an object: { privileges: ['select'], to: 'reporting' }",
)

export type ViewFields = z.output<typeof viewSchema>
export type IndexFields = z.output<typeof indexSchema>
export type GrantFields = z.output<typeof grantSchema>

function matching(pattern: RegExp, fault: string) {
  return z.string(fault).regex(pattern, fault)
}

/** An identifier that SQL can read between quotes and the server does not cut. */
function identifier(fault: string) {
  const fits = (text: string) => text !== '' && !text.includes('\0') && Buffer.byteLength(text) <= 63
  return z.string(fault).refine(fits, fault)
}

/** A whole number that fits into a column of type integer. */
function whole(min: number, max = 2_147_483_647) {
  const fault = `must be a whole number from ${min} to ${max}`
  return z.int(fault).min(min, fault).max(max, fault)
}

function oneOf<const T extends readonly string[]>(words: T) {
  return z.enum(words, `must be one of ${words.join(', ')}`)
}

function checked(fault: string, faultOf: (text: string) => string | null) {
  return z.string(fault).check(refusing(faultOf))
}

/** A check that refuses a text with the fault that it has. */
function refusing(faultOf: (text: string) => string | null): z.core.CheckFn<string> {
  return ({ value, issues }) => {
    const message = faultOf(value)
    if (message !== null) issues.push({ code: 'custom', input: value, message })
  }
}

function isQuery(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value === 'string'
  const { compile, toSQL } = value as { compile?: unknown; toSQL?: unknown }
  return typeof compile === 'function' || typeof toSQL === 'function'
}
