import { entriesOf, indexesOf, type QueryScope, readBy, sublinksOf } from './entries.ts'
import type { SliceFacts } from './facts.ts'
import {
  type Carried,
  conjuncts,
  type From,
  followsFrom,
  isShort,
  type Key,
  keyOf,
  type Lost,
  placeOf,
  resolve,
  typeOf,
} from './key.ts'
import { isTrue, nodeIn, nodesIn, numberIn, numbersIn, type TreeNode, textIn } from './node-tree.ts'

/** A column of a view by whose values it falls into slices, and the column of the table that these are computed from. */
export interface SliceKey {
  by: string
  column: string
  /** Whether that needs settings of the session, such as its time zone: these have to be the same for every refresh. */
  bySettings: boolean
  /** Whether a value is that of the column itself, and nothing computed from it. */
  isColumn: boolean
}

/** What a view can be filled by, in part, when rows of one table change; or why it cannot. */
export type Proof = { slices: SliceKey[]; because: null } | { slices: []; because: string }

/** The columns of a query that carry a key or have lost it, by number; null: it reads nothing of the table. */
type Carrying = Map<number, Carried | Lost> | null

class Refused extends Error {}

const [inner, left, right] = ['0', '1', '3']

/**
 * Proves by which of its columns a view falls into slices of a table: a row of the table touches only rows of the view that have its own key,
 * so the rows with other keys stay as they are when it is inserted, changed or deleted. All other tables are taken as they are. Goes
 * through the query from the table upwards. For each query on the way it knows the columns that carry a key, and this holds: its rows
 * with the key *k* are computed from the table's rows with the key *k*, and from no other ones. Pure.
 */
export function proveSlices(
  view: { query: TreeNode; columns: Map<number, string> },
  of: number,
  facts: SliceFacts,
): Proof {
  const { name, columns, heirs } = facts.relations.get(of)!
  const touched = new Map<TreeNode, boolean>()
  const refuse = (because: string): never => {
    throw new Refused(because)
  }

  const sharesRows = (relation: number) =>
    facts.relations.get(relation)?.heirs.some((heir) => heirs.includes(heir)) ?? false

  /** Whether a query reads the table, or a table that shares rows with it, anywhere. */
  function touches({ query, outer }: QueryScope): boolean {
    const known = touched.get(query)
    if (known !== undefined) return known
    touched.set(query, false)
    const found =
      entriesOf(query).some((entry) => {
        const below = readBy(entry, { query, outer }, facts)
        return below === null
          ? sharesRows(numberIn(entry, 'relid'))
          : below !== 'nothing' && touches(below.scope)
      }) || sublinksOf(query).some((sublink) => touches({ query: sublink, outer: { query, outer } }))
    touched.set(query, found)
    return found
  }

  function readEntry(entry: TreeNode, scope: QueryScope): Carrying {
    const below = readBy(entry, scope, facts)
    if (below === 'nothing') return null
    if (below !== null) return readQuery(below.scope, below.place)
    const relation = numberIn(entry, 'relid')
    if (relation === of)
      return new Map(
        [...columns.keys()].map((column) => [column, { column, form: formOf(column), bySettings: false }]),
      )
    return sharesRows(relation)
      ? refuse(`it also reads ${facts.relations.get(relation)?.name}, which has rows of ${name}`)
      : null
  }

  function readQuery(scope: QueryScope, place: string): Carrying {
    const { query } = scope
    if (!touches(scope)) return null
    if (sublinksOf(query).some((sublink) => touches({ query: sublink, outer: scope })))
      refuse(`${place} reads ${name} in a subquery of an expression, which sees all slices`)
    if (query.fields.limitOffset !== null || query.fields.limitCount !== null)
      refuse(`${place} has a LIMIT or an OFFSET, which counts the rows of all slices`)
    if (isTrue(query, 'hasRecursive') && readsRecursively(scope))
      refuse(`${place} reads ${name} in a recursive WITH, which goes from slice to slice`)
    const operations = nodeIn(query, 'setOperations')
    if (operations !== null) return readOperations(operations, scope, place)
    if (nodesIn(query, 'groupingSets').length > 0)
      refuse(`${place} has GROUPING SETS, ROLLUP or CUBE, whose totals are over several slices`)
    if (
      (isTrue(query, 'hasAggs') || query.fields.havingQual !== null) &&
      nodesIn(query, 'groupClause').length === 0
    )
      refuse(`${place} aggregates without GROUP BY, over all slices`)
    const from = readFrom(nodeIn(query, 'jointree')!, scope, place)!
    return new Map(
      nodesIn(query, 'targetList')
        .filter((entry) => !isTrue(entry, 'resjunk'))
        .map((entry) => [numberIn(entry, 'resno'), keptKey(entry, query, from, place)]),
    )
  }

  const readsRecursively = (scope: QueryScope): boolean =>
    nodesIn(scope.query, 'cteList').some(
      (each) => isTrue(each, 'cterecursive') && touches({ query: nodeIn(each, 'ctequery')!, outer: scope }),
    )

  /** The key that a column of a query has, if each step of the query keeps its rows apart. */
  function keptKey(entry: TreeNode, query: TreeNode, from: From, place: string): Carried | Lost {
    const key = keyOf(query, from, nodeIn(entry, 'expr')!, facts)
    const named = (because: string) => ({ because: `${textIn(entry, 'resname')} in ${place} ${because}` })
    if ('because' in key) return key
    if ('flaw' in key) return named(key.flaw)
    /** Whether equal values of these clauses make equal keys; null: they would, if they were the same bytes. */
    const keeps = (clauses: TreeNode[]): boolean | null => {
      const fitting = clauses.filter((clause) => {
        const by = sortedBy(clause, query, from)
        return isShort(by) && followsFrom(key.resolved, by)
      })
      if (fitting.length === 0) return false
      return fitting.some((clause) => facts.equalities.has(numberIn(clause, 'eqop'))) || null
    }
    // What is not in a GROUP BY is one value in each group: the server has proved that by a primary key, which heirs do not share.
    const grouped = nodesIn(query, 'groupClause')
    const groups = grouped.length === 0 || keeps(grouped)
    const windows = nodesIn(query, 'windowClause').map((window) => keeps(nodesIn(window, 'partitionClause')))
    const chosen = !isTrue(query, 'hasDistinctOn') || keeps(nodesIn(query, 'distinctClause'))
    if (groups === false && entriesOf(query).some(hasHeirs)) return named('is not in its GROUP BY')
    if (windows.includes(false))
      return named('is not in the PARTITION BY of each window, which so goes over several slices')
    if (chosen === false) return named('is not in its DISTINCT ON, which so chooses among several slices')
    return [groups, ...windows, chosen].includes(null) || !facts.exact.has(typeOf(key.resolved))
      ? named('has a type of which equal values can look different')
      : key.carried
  }

  const hasHeirs = (entry: TreeNode): boolean => {
    const relation = facts.relations.get(numberIn(entry, 'relid'))
    return relation?.kind === 'r' && relation.heirs.length > 1
  }

  const sortedBy = (clause: TreeNode, query: TreeNode, from: From): TreeNode => {
    const reference = numberIn(clause, 'tleSortGroupRef')
    const entry = nodesIn(query, 'targetList').find((each) => numberIn(each, 'ressortgroupref') === reference)
    return resolve(query, from, nodeIn(entry!, 'expr')!)
  }

  /** What FROM and WHERE make of the columns that carry a key; null if none of it reads the table. */
  function readFrom(item: TreeNode, scope: QueryScope, place: string): From | null {
    const { query } = scope
    if (item.tag === 'RANGETBLREF') {
      const index = numberIn(item, 'rtindex')
      const carrying = readEntry(nodesIn(query, 'rtable')[index - 1]!, scope)
      const columns = carrying && new Map([...carrying].map(([column, each]) => [`${index}.${column}`, each]))
      return columns && { columns, equal: new Map() }
    }
    const joined =
      item.tag === 'FROMEXPR' ? nodesIn(item, 'fromlist') : [nodeIn(item, 'larg')!, nodeIn(item, 'rarg')!]
    const sides = joined.map((each) => readFrom(each, scope, place))
    const [reader, second] = sides.filter((side) => side !== null)
    if (second !== undefined)
      refuse(`${place} joins ${name} with itself, so a row meets those of other slices`)
    if (reader === undefined) return null
    const equalities = conjuncts(nodeIn(item, 'quals')).flatMap((condition) =>
      equality(condition, query, reader),
    )
    const join = item.tag === 'FROMEXPR' ? inner : textIn(item, 'jointype')
    if (join === inner) {
      const equal = equalities.map(({ other, key }) => [placeOf(other), key.resolved] as const)
      return { ...reader, equal: new Map([...reader.equal, ...equal]) }
    }
    const kept = [left, right].indexOf(join)
    if (reader === sides[kept]) return reader
    // A row without a match has no value of the table, but it may have what the match would be equal to.
    const because = `${place} has ${name} on the side of an outer join that is null without a match, which depends on all slices`
    const indexes = indexesOf(joined[kept] ?? null)
    const others = equalities.filter(({ other }) => indexes.includes(numberIn(other, 'varno')))
    return {
      columns: new Map<string, Carried | Lost>([
        ...[...reader.columns.keys()].map((column) => [column, { because }] as const),
        ...others.map(({ other, key }) => [placeOf(other), key.carried] as const),
      ]),
      equal: new Map(),
    }
  }

  /** A key and the column of something else that a condition asks to be the same. */
  function equality(condition: TreeNode, query: TreeNode, from: From): { other: TreeNode; key: Key }[] {
    if (condition.tag !== 'OPEXPR' || !facts.equalities.has(numberIn(condition, 'opno'))) return []
    if (facts.loose.has(numberIn(condition, 'inputcollid'))) return []
    const [first, second] = nodesIn(condition, 'args') as [TreeNode, TreeNode]
    const sides = [
      [first, second],
      [second, first],
    ] as const
    return sides.flatMap(([one, two]) => {
      const [side, other] = withoutRelabels(one, two)
      const key = keyOf(query, from, side, facts)
      const isOther =
        other.tag === 'VAR' && numberIn(other, 'varlevelsup') === 0 && typeOf(other) === typeOf(side)
      return isOther && !from.columns.has(placeOf(other)) && 'carried' in key ? [{ other, key }] : []
    })
  }

  /** What the branches of UNION, EXCEPT and INTERSECT have in common. They compare whole rows, so never rows of two slices. */
  function readOperations(item: TreeNode, scope: QueryScope, place: string): Carrying {
    if (item.tag === 'RANGETBLREF')
      return readEntry(nodesIn(scope.query, 'rtable')[numberIn(item, 'rtindex') - 1]!, scope)
    const sides = [nodeIn(item, 'larg')!, nodeIn(item, 'rarg')!]
    const [one, other] = sides.map((side) => readOperations(side, scope, place)) as [Carrying, Carrying]
    const types = numbersIn(item, 'colTypes')
    const collations = numbersIn(item, 'colCollations')
    const branches = sides.map((side) => typesOf(side, scope.query))
    const both = (column: number, each: Carried | Lost): Carried | Lost => {
      const same = one === null || other === null ? each : other.get(column)!
      if ('because' in each || 'because' in same) return 'because' in each ? each : same
      const said = `column ${column} of ${place}`
      if (same.form !== each.form)
        return { because: `${said} is computed from ${name} in different ways by its branches` }
      if (
        branches.some((branch) => branch[column - 1] !== types[column - 1]) ||
        facts.loose.has(collations[column - 1]!)
      )
        return { because: `${said} has different types or collations in its branches` }
      return each
    }
    return (
      (one ?? other) && new Map([...(one ?? other)!].map(([column, each]) => [column, both(column, each)]))
    )
  }

  try {
    const columnsOf = [...(readQuery({ query: view.query, outer: null }, 'its query') ?? [])]
    const slices = columnsOf.flatMap(([at, key]) =>
      'column' in key
        ? {
            by: view.columns.get(at)!,
            column: columns.get(key.column)!,
            bySettings: key.bySettings,
            isColumn: key.form === formOf(key.column),
          }
        : [],
    )
    if (slices.length > 0) return { slices, because: null }
    const lost = columnsOf.flatMap(([, key]) => ('because' in key ? (key.because ?? []) : []))
    return {
      slices: [],
      because: lost[0] ?? `none of its columns is computed from one column of ${name} alone`,
    }
  } catch (error) {
    if (error instanceof Refused) return { slices: [], because: error.message }
    throw error
  }
}

/** The form of a column of the table itself. */
const formOf = (column: number): string => `column ${column}`

/** A cast that changes no byte is left out, if both sides have it. */
function withoutRelabels(left: TreeNode, right: TreeNode): [TreeNode, TreeNode] {
  const [inLeft, inRight] = [left, right].map((side) =>
    side.tag === 'RELABELTYPE' ? nodeIn(side, 'arg') : null,
  )
  return inLeft && inRight ? [inLeft, inRight] : [left, right]
}

/** The types of the columns of a branch. */
function typesOf(branch: TreeNode, query: TreeNode): number[] {
  if (branch.tag !== 'RANGETBLREF') return numbersIn(branch, 'colTypes')
  const below = nodeIn(nodesIn(query, 'rtable')[numberIn(branch, 'rtindex') - 1]!, 'subquery')!
  return nodesIn(below, 'targetList')
    .filter((entry) => !isTrue(entry, 'resjunk'))
    .map((entry) => typeOf(nodeIn(entry, 'expr')!))
}
