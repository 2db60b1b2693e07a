import { entries, parse } from '../../authored/sql/read.ts'
import { isAsMighty } from '../../catalog/db/owner.ts'
import {
  type EqualRows,
  type QueryFailure,
  readEqualRows,
  readLeaves,
  readRelation,
  readRow,
  seeTheSame,
  tryQuery,
} from '../../catalog/db/try-query.ts'
import {
  conditionOf,
  type Leaf,
  narrow,
  placeOf,
  type RowRange,
  rowsIn,
} from '../../catalog/plan/table-parts.ts'
import { readView } from '../../record/definitions/look.ts'
import type { Database, Sql } from '../../server/database.ts'
import { withTransaction } from '../../server/transactions.ts'
import { queryViewOf, quoteIdentifier } from '../../sql/names.ts'
import type { Seal } from '../../sql/run-plan.ts'
import { tokensIn } from '../../sql/sql-tokens.ts'
import { command } from '../../words/commands.ts'
import { displayName, type QualifiedName, unquoted } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'

/** A row without which the query does not fail. */
interface BadRow {
  relation: string
  ctid: string
  /** Null: who asks may not read the row. */
  values: { column: string; value: string | null }[] | null
}

/** Who executed a query that works; a refresh executes it as the owner of the view. */
export interface Works {
  works: true
  /** Rows that a unique index of the view refuses. */
  equal: EqualRows[]
  as: 'owner' | 'login'
  owner: string
}

/** What makes a view's query fail. It quotes rows, so it is for the person at the terminal only. */
export interface Culprit {
  failure: QueryFailure
  /** The columns that fail; empty: a condition, a join or a grouping does; null: nobody knows. */
  columns: string[] | null
  rows: BadRow[]
  /** What could not be found, and why. */
  doubts: string[]
}

/** A table where the query names it, and to which of its rows the query is restricted; null: it is not. */
interface Source extends NamedPlace {
  leaves: Leaf[]
  part: RowRange | null
}

class OutOfTime extends Error {}

const timeIsUp = 'The time is up.'

/**
 * Finds what makes a view's query fail: the columns, and the fewest rows of each table with which it still fails; or, if it does not, rows
 * of the query that a unique index of the view refuses. Executes the
 * query again and again, each time with half of the rows of one table, in one transaction that only reads: sealed as its owner, or, if
 * that is not possible, as our login. Then a query of a role that may do less than our login is refused
 * (InsufficientPrivilege), unless the role is `trusted`.
 */
export const findBadRow = (
  database: Database,
  name: QualifiedName,
  { trusted = null, mostMs }: { trusted?: string | null; mostMs: number },
): Promise<Culprit | Works> =>
  database.withConnection(
    (sql) =>
      withTransaction(sql, async (part) => {
        await seeTheSame(part)
        const { view, owner, counting, query } = await readView(part, name)
        if (counting === null && unquoted(owner) !== trusted && !(await isAsMighty(part, owner)))
          throw new Problem(
            'InsufficientPrivilege',
            `The query of ${view} is code of ${owner}, and your login, which may do more, would execute it. Log in as ${owner}; ` +
              `or, if you trust that role: ${command(['bad-row', displayName(name), '--trust', unquoted(owner)], null)}`,
          )
        const searched = query === null ? name : queryViewOf(name)
        const until = Date.now() + mostMs
        const culprit = await look(part, counting, searched, until)
        if (culprit !== null) return culprit
        const { query: text } = await readRelation(part, searched)
        const equal = await readEqualRows(part, counting, name, text as string, until)
        if (!Array.isArray(equal)) return { failure: equal, columns: null, rows: [], doubts: [] }
        return { works: true, equal, as: counting === null ? 'login' : 'owner', owner }
      }),
    { startUp: { application_name: 'viewkeeper bad-row' }, deadline: Date.now() + mostMs + 30_000 },
  )

async function look(
  sql: Sql,
  seal: Seal | null,
  name: QualifiedName,
  until: number,
): Promise<Culprit | null> {
  const { query, columns } = await readRelation(sql, name)
  const failure = await tryQuery(sql, seal, query as string, until - Date.now())
  if (failure === null) return null
  const found: Culprit = { failure, columns: null, rows: [], doubts: [] }
  // Neither a missing name or right, nor the time limit, nor a lack of memory, disk or locks comes from a row.
  if (/^(42|57|53|55|58|40|25)/.test(failure.sqlstate)) {
    found.doubts.push(failure.sqlstate === '57014' ? timeIsUp : 'This error does not come from a row.')
    return found
  }
  const fails = async (text: string): Promise<boolean> => {
    const again = await tryQuery(sql, seal, text, until - Date.now())
    if (again?.sqlstate === '57014') throw new OutOfTime()
    if (again?.sqlstate.startsWith('42')) doubt(found, `With fewer rows: ${again.message}.`)
    return again?.sqlstate === failure.sqlstate
  }
  const text = await withoutPlainViews(sql, query as string)
  const sources = await readSources(sql, text)
  let open: Source | null = null
  try {
    for (const source of sources) {
      const failsWith = (part: RowRange) => fails(restricted(text, sources, source, part))
      const all = { from: 0, to: rowsIn(source.leaves) }
      if ((await failsWith({ from: 0, to: 0 })) || !(await failsWith(all))) continue
      open = source
      source.part = all
      await narrow(source.part, failsWith)
      open = null
    }
    const last = restricted(text, sources)
    if (await fails(last)) found.columns = await failingColumns(last, columns, fails)
    else doubt(found, 'The query does not fail each time: it calls something like random().')
    found.rows = await readRows(sql, seal, sources)
    if (found.rows.length === 0) doubt(found, 'No row of a table decides: the query fails without it, too.')
  } catch (error) {
    if (!(error instanceof OutOfTime)) throw error
    found.rows = await readRows(
      sql,
      seal,
      sources.filter((source) => source !== open),
    )
    const half = sources.find((source) => source === open)
    const [first, last] = half === undefined ? [] : endsOf(half).map(({ ctid }) => ctid)
    const where =
      half === undefined ? '' : ` The row is in ${displayName(half.relation)}, from ctid ${first} to ${last}.`
    doubt(found, `${timeIsUp}${where}`)
  }
  return found
}

/** A column that is not asked for is not computed, unless the rest of the query needs it. */
async function failingColumns(
  query: string,
  columns: string[],
  fails: (query: string) => Promise<boolean>,
): Promise<string[] | null> {
  if (await fails(`select from (${query}) v`)) return []
  const failing: string[] = []
  for (const column of columns)
    if (await fails(`select ${quoteIdentifier(column)} from (${query}) v`)) failing.push(column)
  return failing.length === 0 ? null : failing
}

/** The query with the queries of plain views in their places. */
async function withoutPlainViews(sql: Sql, query: string): Promise<string> {
  let text = query
  for (const { relation, alias, from, nameEnd } of (await placesIn(query)).toReversed()) {
    const { kind, query: inner } = await readRelation(sql, relation)
    if (kind !== 'v' || inner === null) continue
    const called = alias === null ? ` ${quoteIdentifier(relation.name)}` : ''
    text = `${text.slice(0, from)}(${await withoutPlainViews(sql, inner)})${called}${text.slice(nameEnd)}`
  }
  return text
}

async function readSources(sql: Sql, query: string): Promise<Source[]> {
  const sources: Source[] = []
  for (const place of await placesIn(query)) {
    const { oid, kind } = await readRelation(sql, place.relation)
    if (['r', 'p', 'm'].includes(kind))
      sources.push({ ...place, leaves: await readLeaves(sql, oid), part: null })
  }
  return sources
}

/** The query with each table restricted to its part; `one` to another part. The tables stay what they are, with their keys. */
function restricted(query: string, sources: Source[], one?: Source, other: RowRange | null = null): string {
  let text = query
  for (const [index, source] of [...sources.entries()].toReversed()) {
    const part = source === one ? other : source.part
    if (part === null) continue
    const { from, to, alias, relation } = source
    const condition = conditionOf(source.leaves, part, alias ?? relation.name)
    text = `${text.slice(0, from)}(${text.slice(from, to)} join (select) "viewkeeper ${index}" on ${condition})${text.slice(to)}`
  }
  return text
}

/** Where the first and the last row of the part are. */
const endsOf = ({ leaves, part }: Source) =>
  part === null ? [] : [part.from, part.to - 1].map((at) => placeOf(leaves, at))

async function readRows(sql: Sql, seal: Seal | null, sources: Source[]): Promise<BadRow[]> {
  const found = new Map<string, BadRow>()
  for (const source of sources)
    for (const { oid, ctid } of endsOf(source))
      found.set(`${oid} ${ctid}`, {
        relation: displayName(source.relation),
        ctid,
        values: await readRow(sql, seal, source.relation, oid, ctid),
      })
  return [...found.values()]
}

const doubt = ({ doubts }: Culprit, text: string): void => {
  if (!doubts.includes(text)) doubts.push(text)
}

/** A place where a query names a relation with its schema. */
interface NamedPlace {
  relation: QualifiedName
  /** The name by which the query knows the relation's columns; null: it is the name of the relation. */
  alias: string | null
  /** Where the name begins and ends in the text, and where the alias after it ends. */
  from: number
  nameEnd: number
  to: number
}

interface ParsedName {
  schemaname?: string
  relname: string
  /** Missing after `only`. */
  inh?: boolean
  alias?: { aliasname: string; colnames?: unknown[] }
  /** In bytes; 0 is left out. */
  location?: number
}

/**
 * The places in a query, as the server deparses it, where something can stand instead of a relation: not after `only`, not
 * before `tablesample`. Throws if the parser cannot read the query.
 */
async function placesIn(query: string): Promise<NamedPlace[]> {
  const bytes = Buffer.from(query)
  const all = [...entries((await parse(query)).stmts)]
  const sampled = new Set(
    all.flatMap(([key, value]) =>
      key === 'RangeTableSample' ? [(value as { relation: { RangeVar?: unknown } }).relation.RangeVar] : [],
    ),
  )
  return all.flatMap(([key, value]) => {
    const { schemaname: schema, relname: name, inh, alias, location = 0 } = value as ParsedName
    if (key !== 'RangeVar' || schema === undefined || inh !== true || sampled.has(value)) return []
    const from = bytes.subarray(0, location).toString().length
    const ends = endsIn(query.slice(from), alias)
    return [
      {
        relation: { schema, name },
        alias: alias?.aliasname ?? null,
        from,
        nameEnd: from + ends.name,
        to: from + ends.alias,
      },
    ]
  })
}

/** Where `schema.name` and its alias, with the names of columns, end. */
function endsIn(text: string, alias: ParsedName['alias']): { name: number; alias: number } {
  const more = alias === undefined ? 0 : 1
  let [left, name] = [3 + more, 0]
  for (const { kind, text: token, at } of tokensIn(text)) {
    if (kind === 'space' || token === 'AS') continue
    left--
    if (left === more) name = at + token.length
    if (left <= 0 && (alias?.colnames === undefined || token === ')'))
      return { name, alias: at + token.length }
  }
  return { name, alias: text.length }
}
