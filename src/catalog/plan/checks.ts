import { quoteIdentifier, quoteName } from '../../sql/names.ts'
import { parseName } from '../../words/names.ts'

/** The common checks of a definition. Columns are named exactly, without quotes. */
export interface CommonChecks {
  /** The view has a row. */
  notEmpty?: true
  /** Columns that are never null. */
  notNull?: readonly string[]
  /** Lists of columns: no two rows are equal in all columns of a list. Nulls are equal. */
  unique?: readonly (readonly string[])[]
  /** By column, the values that it may have. Null is accepted. */
  accepted?: Readonly<Record<string, readonly (string | number | boolean)[]>>
  /** By column, the table and column that must have each of its values: `app.shops (id)`. Null is accepted. */
  references?: Readonly<Record<string, string>>
  /** How many rows the view has; `changeAtMost` compares with the last success: `50%`. */
  rows?: { atLeast?: number; changeAtMost?: string }
  /** A column with times, and how old its newest value may be: `26 h`. */
  freshest?: { column: string; within: string }
  /** The most rows that a refresh may add, remove or change, as a part of the rows that readers see: `5%`. */
  differs?: { atMost: string }
  /** The checks that only warn. Default: a check that finds rows holds the new data back. */
  severity?: Readonly<Record<string, 'warn'>>
}

/** The checks of a definition: the common ones by name, and queries of its own, which must return no row. */
export type Checks = CommonChecks & { readonly [name: string]: CommonChecks[keyof CommonChecks] | string }

/** One check of a view. */
export interface DataCheck {
  name: string
  /** The field of `checks` in the definition. */
  field: string
  warns: boolean
  /** A query for the rows that must not exist. It names the view without a schema. */
  query: string
  /** The limits of a check of the number of rows. The rows are counted once for all; `query` only explains. */
  rows?: { min: number; max: number | null }
  /** The limit of a check that compares new data with old, in percent of the rows. It has no `query`. */
  atMost?: number
  /** The query, for a JSON object, that compares new data with old. */
  comparison?: string
}

/** The checks of a view, each with its query. `lastRows`: how many rows the last success left; null if nobody knows. */
export function checksOf(view: string, checks: Checks, lastRows: number | null = null): DataCheck[] {
  const { notEmpty, notNull = [], unique = [], accepted = {}, references = {}, rows, freshest } = checks
  const { differs, severity = {} } = checks
  const it = quoteIdentifier(view)
  const found: Omit<DataCheck, 'warns'>[] = [
    ...(notEmpty === true
      ? [
          {
            name: 'notEmpty',
            field: 'notEmpty',
            query: `select 'no row' where not exists (select from ${it})`,
          },
        ]
      : []),
    ...(rows === undefined ? [] : [aboutRows(it, rows, lastRows)]),
    ...(freshest === undefined ? [] : [aboutAge(it, freshest)]),
    ...(differs === undefined
      ? []
      : [{ name: 'differs', field: 'differs', query: '', atMost: Number.parseFloat(differs.atMost) }]),
    ...notNull.map((column) => ({
      name: `notNull(${column})`,
      field: 'notNull',
      query: `select * from ${it} where ${quoteIdentifier(column)} is null`,
    })),
    ...unique.map((columns) => {
      const key = columns.map(quoteIdentifier).join(', ')
      return {
        name: `unique(${columns.join(', ')})`,
        field: 'unique',
        query: `select ${key}, count(*) from ${it} group by ${key} having count(*) > 1`,
      }
    }),
    ...Object.entries(accepted).map(([column, values]) => ({
      name: `accepted(${column})`,
      field: 'accepted',
      query: `select * from ${it} where ${quoteIdentifier(column)} not in (${values.map(unknown).join(', ')})`,
    })),
    ...Object.entries(references).map(([column, target]) => ({
      name: `references(${column})`,
      field: 'references',
      query: referring(it, quoteIdentifier(column), target),
    })),
    ...Object.entries(checks).flatMap(([name, query]) =>
      typeof query === 'string' ? [{ name, field: name, query }] : [],
    ),
  ]
  return found.map((check) => ({
    ...check,
    warns: severity[check.name] === 'warn' || severity[check.field] === 'warn',
  }))
}

function aboutRows(
  it: string,
  { atLeast = 0, changeAtMost }: NonNullable<CommonChecks['rows']>,
  lastRows: number | null,
): Omit<DataCheck, 'warns'> {
  const part = changeAtMost === undefined || !lastRows ? null : Number.parseFloat(changeAtMost) / 100
  const min = Math.max(atLeast, part === null ? 0 : Math.ceil(Number(lastRows) * (1 - part)))
  const max = part === null ? null : Math.floor(Number(lastRows) * (1 + part))
  const between = max === null ? `>= ${min}` : `between ${min} and ${max}`
  return {
    name: 'rows',
    field: 'rows',
    query: `select count(*) as rows from ${it} having not count(*) ${between}`,
    rows: { min, max },
  }
}

const aboutAge = (it: string, { column, within }: NonNullable<CommonChecks['freshest']>) => ({
  name: 'freshest',
  field: 'freshest',
  query: `select max(${quoteIdentifier(column)}) as freshest from ${it}
having coalesce(max(${quoteIdentifier(column)}) < clock_timestamp() - interval ${unknown(within)}, true)`,
})

const target = /^(.*?)\s*\(\s*([^()]+?)\s*\)\s*$/s

/** Reads `app.shops (id)` into a table or view and its column, both quoted for SQL. Throws InvalidName. */
export function referred(text: string): { table: string; column: string } {
  const [, name = text, column = ''] = target.exec(text) ?? []
  return { table: quoteName(parseName(name)), column: quoteIdentifier(parseName(column).name) }
}

function referring(it: string, column: string, text: string): string {
  const { table, column: key } = referred(text)
  return `select * from ${it} as c where c.${column} is not null and not exists (select from ${table} as p where p.${key} = c.${column})`
}

/** A literal of type unknown: the server gives it the type of the column that it is compared with. */
const unknown = (value: string | number | boolean): string => `'${String(value).replaceAll("'", "''")}'`

/** The checks that a run makes of a view's new data. */
export interface Checking {
  checks: Checks
  /** How many rows the last success left; null: nobody knows. */
  lastRows: number | null
  /** The query is the same as before, so the new data are compared with those that readers see. */
  refreshes?: true
}

/** The checks of a definition; null if it has none. */
export const checkingOf = (
  definition: { checks: Checks } | undefined,
  lastRows: number | null = null,
): Checking | null =>
  definition === undefined || Object.keys(definition.checks).length === 0
    ? null
    : { checks: definition.checks, lastRows }

/** A check that a run has made of the new data, as its record has it. */
export interface MadeCheck {
  name: string
  /** The check only warns. */
  severity?: 'warn' | undefined
  /** How many rows it found. */
  rows: number
  ms: number
  /** The counts of a check that compares new data with old. */
  differs?: Counts | undefined
  /** An estimate of the rows of the view, if they were too many to be compared. */
  about?: number | undefined
}

/** Counts of rows that were compared. */
export interface Counts {
  before: number
  after: number
  added: number
  gone: number
  changed: number
}
