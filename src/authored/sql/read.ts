import { setFlagsFromString } from 'node:v8'
import { tokensIn } from '../../sql/sql-tokens.ts'

/** PostgreSQL's own parser, as WebAssembly: loaded by the first text, because that takes most of a second. */
let library: Promise<typeof import('libpg-query')> | undefined

function load(): Promise<typeof import('libpg-query')> {
  if (library === undefined) {
    // V8 would compile the parser a second time, for speed, while most commands are over already: it costs half a second of a
    // processor and 600 MB of memory. Either flag alone only delays that. Set before the parser is loaded.
    setFlagsFromString('--no-wasm-dynamic-tiering')
    setFlagsFromString('--no-wasm-tier-up')
    library = import('libpg-query')
  }
  return library
}

export const parse = async (text: string) => (await load()).parse(text)

const scan = async (text: string) => (await load()).scan(text)

/** How many code points of a text come before the error that `parse` has thrown; 0 if it does not say. */
async function placeOf(error: unknown): Promise<number> {
  const { hasSqlDetails } = await load()
  return hasSqlDetails(error) ? (error.sqlDetails?.cursorPosition ?? 0) : 0
}

/** A table, view or the like, as a statement names it. */
interface WrittenRelation {
  schema: string | null
  name: string
}

/** Every key of the parser's tree with its value, from the outside in. */
export function* entries(tree: unknown): Generator<[key: string, value: unknown]> {
  if (typeof tree !== 'object' || tree === null) return
  for (const [key, value] of Object.entries(tree)) {
    yield [key, value]
    yield* entries(value)
  }
}

/** The relations that a tree names, each once, without the names that its `with` clauses define. */
function relationsOf(tree: unknown): WrittenRelation[] {
  const found = new Map<string, WrittenRelation>()
  visit(tree, new Set())
  return [...found.values()]

  function visit(node: unknown, given: ReadonlySet<string>): void {
    if (typeof node !== 'object' || node === null) return
    // `for update of` lists aliases, not relations.
    const { withClause, lockedRels, ...rest } = node as Record<string, unknown>
    const { relname: name, schemaname: schema = null } = rest as { relname?: string; schemaname?: string }
    if (typeof name === 'string' && (schema !== null || !given.has(name))) {
      found.set(JSON.stringify([schema, name]), { schema, name })
    }
    const names = withClause === undefined ? given : visitWith(withClause as WithClause, given)
    for (const value of Object.values(rest)) visit(value, names)
  }

  /** Without `recursive`, a query in `with` sees only the names defined before it. */
  function visitWith({ ctes, recursive }: WithClause, given: ReadonlySet<string>): ReadonlySet<string> {
    const all = ctes.map(({ CommonTableExpr }) => CommonTableExpr)
    const names = new Set([...given, ...(recursive ? all.map(({ ctename }) => ctename) : [])])
    for (const each of all) {
      visit(each.ctequery, names)
      names.add(each.ctename)
    }
    return names
  }
}

interface WithClause {
  ctes: { CommonTableExpr: { ctename: string; ctequery: unknown } }[]
  recursive?: boolean
}

/** Something wrong with a query. */
interface QueryFault {
  message: string
  /** Line of the text, from 1. */
  line: number
}

/**
 * Reads a view's query: brings it into the form that a definition holds, and reports all faults. In this form
 * line ends are `\n`, there is no space around the query, and the final semicolon is removed with all that
 * follows.
 */
export async function readQuery(text: string): Promise<{ sql: string; faults: QueryFault[] }> {
  const lines = text.replace(/\r\n?/g, '\n')
  const sql = lines.trim()
  const from = lines.indexOf(sql)
  const fault = (message: string, at = 0): QueryFault => ({ message, line: lineAt(lines, from + at) })
  const refused = (...faults: QueryFault[]) => ({ sql, faults })

  let statements: ParsedStatement[]
  try {
    statements = await statementsOf(sql)
  } catch (error) {
    // Errors count code points; the tree counts bytes.
    const before = [...sql].slice(0, await placeOf(error)).join('')
    return refused(fault(messageOf(error), before.length))
  }
  const [statement, second] = statements
  if (statement === undefined) return refused(fault('is empty: write the select that the view holds'))
  if (second !== undefined) {
    const start = charOffset(sql, second.stmt_location)
    const message = `holds ${statements.length} statements: write one select`
    return refused(fault(message, start + sql.slice(start).search(/\S/)))
  }
  const head = sql.slice(0, charOffset(sql, statement.stmt_location))
  const start = [...tokensIn(head)].some(({ text }) => text === ';') ? head.length : 0
  // The parser gives a length only if a semicolon ends the statement.
  const end =
    statement.stmt_len === undefined
      ? sql.length
      : charOffset(sql, (statement.stmt_location ?? 0) + statement.stmt_len)
  return { sql: sql.slice(start, end).trim(), faults: selectFaults(sql, statement.stmt, fault) }
}

/** Why valid SQL cannot be the query of a view. */
function selectFaults(
  sql: string,
  statement: Record<string, unknown>,
  fault: (message: string, at?: number) => QueryFault,
): QueryFault[] {
  if (!('SelectStmt' in statement)) {
    return [
      fault(
        'is not a select: write only the query, beginning with select, with, values or table, without "create …"',
      ),
    ]
  }
  const faults: QueryFault[] = []
  const parameters: ParamRef[] = []
  for (const [key, value] of entries(statement)) {
    if (key === 'ParamRef') parameters.push(value as ParamRef)
    if (key === 'intoClause') faults.push(fault('must not select into a table: leave "into …" out'))
    if (key === 'lockingClause') {
      const at = Math.max(0, sql.search(/\bfor\s+(no\s+key\s+)?(key\s+)?(update|share)\b/i))
      faults.push(fault('must not lock rows: leave "for update", "for share" and the like out', at))
    }
    if (key === 'CommonTableExpr' && changesData((value as CommonTableExpr).ctequery)) {
      const { ctename, location } = value as CommonTableExpr
      faults.push(
        fault(`must not change data: "${ctename}" in its with clause does`, charOffset(sql, location)),
      )
    }
  }
  const [first] = parameters
  if (first !== undefined) {
    const numbers = [...new Set(parameters.map(({ number = 0 }) => number))].sort((a, b) => a - b)
    const names = numbers.map((number) => `$${number}`).join(', ')
    const message = `has the parameter${numbers.length === 1 ? '' : 's'} ${names}, and a view has none: write the values themselves`
    faults.push(fault(message, charOffset(sql, first.location)))
  }
  return faults
}

/** Checks the words after the view's name in `create index`. `plainColumns`: no expressions, no condition. */
export async function readIndex(on: string): Promise<{ fault: string | null; plainColumns: boolean }> {
  const refused = (fault: string) => ({ fault, plainColumns: false })
  const write = 'write what follows the view in "create index": "(a, b)", "using gin (tags)"'
  if (!/^\s*(\(|using\b)/i.test(on)) return refused(`has no columns: ${write}`)
  try {
    const statements = await statementsOf(`create index i on v ${on}`)
    const [{ stmt, stmt_len }, second] = statements as [ParsedStatement, ParsedStatement | undefined]
    if (second !== undefined || stmt_len !== undefined) return refused('must not hold a semicolon')
    if (await hasComment(on)) return refused('must not hold a comment')
    const { whereClause, indexParams } = stmt.IndexStmt as IndexStatement
    const named = indexParams.every(({ IndexElem }) => IndexElem.name !== undefined)
    return { fault: null, plainColumns: whereClause === undefined && named }
  } catch (error) {
    return refused(`${messageOf(error)}: ${write}`)
  }
}

/** In a frozen file, a `--` comment at the end would swallow the semicolon after it. */
const hasComment = async (text: string): Promise<boolean> =>
  (await scan(text)).tokens.some(({ tokenName }) => tokenName.endsWith('_COMMENT'))

/**
 * The parser's tree without positions, as JSON: the same for two texts that differ in white space, comments
 * and the case of keywords only. Throws if the text is no SQL.
 */
export const canonicalSql = async (text: string): Promise<string> =>
  JSON.stringify(
    (await statementsOf(text)).map(({ stmt }) => stmt),
    (key, value) => (typeof value === 'number' && isPosition(key) ? undefined : value),
  )

/** The relations that a query reads by name, each once. Throws if the text is no SQL. */
export const readsOf = async (text: string): Promise<WrittenRelation[]> =>
  relationsOf(await statementsOf(text))

interface ParsedStatement {
  stmt: Record<string, unknown>
  /** In bytes, as all positions in the tree; 0 is left out. */
  stmt_location?: number
  stmt_len?: number
}

interface ParamRef {
  number?: number
  location?: number
}

interface CommonTableExpr {
  ctename: string
  ctequery: Record<string, unknown>
  location?: number
}

interface IndexStatement {
  whereClause?: unknown
  indexParams: { IndexElem: { name?: string } }[]
}

/** The statements of a text; a text of comments or nothing has none. */
async function statementsOf(text: string): Promise<ParsedStatement[]> {
  if (text === '') return []
  // The parser would stop at the NUL.
  if (text.includes('\0')) throw new Error('holds a NUL character')
  return ((await parse(text)).stmts ?? []) as ParsedStatement[]
}

const changesData = (query: Record<string, unknown>): boolean => !('SelectStmt' in query)

const isPosition = (key: string): boolean => /(^|_)(location|len|list_start|list_end)$/.test(key)

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const charOffset = (text: string, bytes = 0): number => Buffer.from(text).subarray(0, bytes).toString().length

const lineAt = (text: string, at: number): number => text.slice(0, at).split('\n').length
