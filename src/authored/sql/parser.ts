import { setFlagsFromString } from 'node:v8'

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

export const scan = async (text: string) => (await load()).scan(text)

/** How many code points of a text come before the error that `parse` has thrown; 0 if it does not say. */
export async function placeOf(error: unknown): Promise<number> {
  const { hasSqlDetails } = await load()
  return hasSqlDetails(error) ? (error.sqlDetails?.cursorPosition ?? 0) : 0
}

/** A table, view or the like, as a statement names it. */
export interface Relation {
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
export function relationsOf(tree: unknown): Relation[] {
  const found = new Map<string, Relation>()
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
