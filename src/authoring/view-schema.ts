import * as z from 'zod'
import { identifierFault } from '../plan/names.ts'
import { nameFault, schemaFault } from '../plan/reserved-names.ts'
import { rowCountStrategies, strategies } from '../plan/views/definition.ts'
import type { QueryInput } from './define-view.ts'
import { scheduleFault, timeZoneFault } from './schedule.ts'

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

/**
 * Checks each field of a view by itself. The elements of `indexes` and `grants` have schemas of their own.
 */
export const viewSchema = z.strictObject(
  {
    schema: authored.check(refusing(schemaFault)).optional(),
    name,
    query: z.custom<QueryInput>(isQuery, 'must be SQL as a text, or a query of Kysely or Drizzle'),
    uniqueKey: columns.optional(),
    indexes: z.array(z.unknown(), "must be a list: [{ columns: ['a'] }]").optional(),
    strategy: oneOf(strategies).optional(),
    rowCountStrategy: oneOf(rowCountStrategies).optional(),
    schedule: checked('must be a text: "0 6 * * *"', scheduleFault).optional(),
    timeZone: checked('must be a text: "Europe/Berlin"', timeZoneFault).optional(),
    settings: z
      .record(
        z.string(),
        z.union([z.string(), z.number(), z.boolean()], 'must be a text, a number, true or false'),
        "must be an object: { work_mem: '256MB' }",
      )
      .optional(),
    timeoutSeconds: whole(1, 86_400).optional(),
    retries: whole(0).optional(),
    retryDelaySeconds: whole(0).optional(),
    maxStalenessSeconds: whole(1).optional(),
    minIntervalSeconds: whole(0).optional(),
    inAll: flag.optional(),
    dependsOn: z
      .array(z.string('must be a text: "public.sales"'), "must be a list of views: ['public.sales']")
      .optional(),
    comment: z.string('must be a text').optional(),
    grants: z.array(z.unknown(), "must be a list: [{ privileges: ['select'], to: 'reporting' }]").optional(),
    owner: identifier('must be the name of a role, at most 63 bytes: "app_owner"').optional(),
  },
  'must be an object: defineView({ name, query })',
)

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
