import type { ViewFacts } from '../catalog/plan/live-view.ts'
import { insistOnChecking } from '../rebuild/plan/check-data.ts'
import { askSealed } from '../sealed/db/execute.ts'
import type { Sql } from '../server/database.ts'
import { sqlstateOf } from '../server/failures.ts'
import { inTransaction } from '../server/transactions.ts'
import { literal } from '../sql/names.ts'
import { displayPart } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import type { ViewSlices } from './slices.ts'

/** The rows of a view from one value of column `by` to another, ends included. Without `by`: the only column. */
export type Asked = Partial<Readonly<Record<'from' | 'to' | 'by', string>>>

const refused = (message: string, field = 'slices'): Problem =>
  new Problem('InvalidRequest', message, { field })

/**
 * The slices of an incremental table that somebody asks for: their column, and both ends, also as SQL. Throws InvalidRequest if its query does not prove that it falls
 * into such slices, or if the server cannot read the values. `gone`: it was dropped meanwhile.
 */
export async function findRange(
  sql: Sql,
  view: ViewFacts,
  request: Asked,
): Promise<{ by: string; from: string; to: string; values: [string, string] } | 'gone'> {
  const read = await (await import('./slices.ts')).readSlicing(sql, {
    oid: view.query as number,
    view: view.view,
  })
  if (read === undefined) return 'gone'
  const { slices, columns } = read
  const by = keyOf(slices, columns, request.by)
  const { from, to, type } = await readRange(sql, view, by, request)
  const [first, last] = [from, to].map((value) => `${literal(value)}::${type}`) as [string, string]
  return { by, from, to, values: [first, last] }
}

/** The column by which to slice: the one that was asked for, or the only one. */
function keyOf({ view, because, tables }: ViewSlices, columns: string[], asked: string | undefined): string {
  const keys = tables.flatMap(({ table, slices }) => slices.map((each) => ({ ...each, table })))
  const names = [...new Set(keys.filter(({ bySettings }) => !bySettings).map(({ by }) => by))]
  const all = `${view} falls into slices of ${names.map(displayPart).join(', or of ')}`
  if (asked !== undefined && !columns.includes(asked))
    throw refused(
      `${view} has no column ${displayPart(asked)}${names.length > 0 ? `: ${all}` : ''}.`,
      'slices.by',
    )
  const unsettled = keys.find(({ by, bySettings }) => bySettings && (asked === undefined || by === asked))
  if (names.length === 1 && asked === undefined) return names[0]!
  if (asked !== undefined && names.includes(asked)) return asked
  if (names.length > 1 && asked === undefined)
    throw refused(`${all}: say by which, as in --by ${displayPart(names[0]!)}.`, 'slices.by')
  if (unsettled !== undefined)
    throw refused(
      `${view} is not refreshed by slices of ${displayPart(unsettled.by)}: settings such as TimeZone decide how it is computed from ${unsettled.table}.${displayPart(unsettled.column)}, and may have been others when the rows were computed that would be kept. Name the zone in the query.`,
    )
  if (names.length > 0)
    throw refused(`${view} does not fall into slices of ${displayPart(asked!)}: ${all}.`, 'slices.by')
  throw refused(
    because === null
      ? tables.map((each) => `${view} does not fall into slices of ${each.table}: ${each.because}`).join('; ')
      : `${view} does not fall into slices: ${because}`,
  )
}

/**
 * Both values as the server writes them, and the type of the column as SQL writes it. Only the server's own types are read as our login:
 * the check of a domain and the functions of a type are somebody's code.
 */
async function readRange(
  sql: Sql,
  facts: ViewFacts,
  by: string,
  { from = '', to = '' }: Asked,
): Promise<{ from: string; to: string; type: string }> {
  const { oid, view } = facts
  const [column] = await sql<[{ type: string; owned: boolean; collation: string }]>`
    select format_type(a.atttypid, -1) as type,
           (select t.typnamespace <> 'pg_catalog'::regnamespace from pg_type t where t.oid = a.atttypid) as owned,
           coalesce((select format('collate %I.%I', n.nspname, c.collname) from pg_collation c join pg_namespace n on n.oid = c.collnamespace
                      where c.oid = a.attcollation), '') as collation
      from pg_attribute a where a.attrelid = ${oid}::int8::oid and a.attname = ${by}`
  const { type, owned, collation } = column
  const query = `select jsonb_build_object('from', x."from"::text, 'to', x."to"::text, 'ordered', x."from" ${collation} operator(pg_catalog.<=) x."to") as read
         from (select ${literal(from)}::${type} as "from", ${literal(to)}::${type} as "to") x`
  type Range = { from: string; to: string; ordered: boolean }
  try {
    const read = owned
      ? await inTransaction(sql, (part) => askSealed<Range>(part, insistOnChecking(facts), query))
      : (await sql.unsafe<[{ read: Range }]>(query))[0].read
    if (read.ordered) return { ...read, type }
  } catch (error) {
    const state = sqlstateOf(error)
    if (!state?.startsWith('22') && !(owned && state === '23514')) throw error
    // The server's message has nothing but what was asked for.
    const why = owned ? `it does not take ${from} or ${to} (${state})` : (error as Error).message
    throw refused(`${displayPart(by)} of ${view} has type ${type}: ${why}.`)
  }
  throw refused(`There is no slice from ${from} to ${to}: the first comes after the second.`)
}
