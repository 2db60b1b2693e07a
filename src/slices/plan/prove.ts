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
  /** How a change log computes it, as SQL of `%s`, the value of the column; null: it cannot. */
  sql: string | null
}

/** What a view can be filled by, in part, when rows of one table change; or why it cannot. */
export type Proof = { slices: SliceKey[]; because: null } | { slices: []; because: string }

/** How a row of another table finds the slices that it touches: those of the rows of the table that have in `to` what it has in `column`. */
export interface Join {
  column: string
  to: string
}

interface SlicedQuery {
  query: TreeNode
  columns: Map<number, string>
}

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
export function proveSlices(view: SlicedQuery, of: number, facts: SliceFacts): Proof {
  const { name, columns } = facts.relations.get(of)!
  try {
    const columnsOf = [...(readerOf(of, facts).readQuery(...wholeOf(view)) ?? [])]
    const slices = columnsOf.flatMap(([at, key]) =>
      'column' in key
        ? {
            by: view.columns.get(at)!,
            column: columns.get(key.column)!,
            bySettings: key.bySettings,
            isColumn: isColumn(key),
            sql: key.sql,
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

/**
 * Proves of which `others` a row touches only slices of the rows of table `of` that a condition joins with it. The view falls into slices of that. Where both
 * meet, a row of the other is read for a row of the table that has the same value, or for none; it is read nowhere else; and from there upwards the rows
 * of a slice are computed from those of the slice. The slices of a row are found by the rows that the table has now: what was changed in these touches
 * slices by itself. Each of several conditions is enough by itself: first those on unique columns. None: not proved. Pure.
 */
export function proveJoins(
  view: SlicedQuery,
  of: number,
  others: number[],
  facts: SliceFacts,
): (Join & { other: number })[] {
  const reader = readerOf(of, facts)
  reader.readQuery(...wholeOf(view))
  const { columns } = facts.relations.get(of)!
  return others.flatMap((other) => {
    const otherReader = readerOf(other, facts)
    const { columns: names, unique } = facts.relations.get(other)!
    try {
      if (otherReader.times(wholeOf(view)[0]) !== 1) return []
      const found = reader.meetings.flatMap(({ entry, scope, at, column }) => {
        // A recursive WITH of a query around it goes from row to row of the other table.
        for (let up: QueryScope | null = scope; up !== null; up = up.outer)
          if (otherReader.readsRecursively(up)) return []
        const met = otherReader.readEntry(entry, scope)?.get(at)
        return met && 'column' in met && isColumn(met) ? { column: met.column, to: columns.get(column)! } : []
      })
      const isUnique = ({ column }: { column: number }) => Number(unique.includes(column))
      return found
        .sort((one, another) => isUnique(another) - isUnique(one))
        .map(({ column, to }) => ({ other, column: names.get(column)!, to }))
    } catch (error) {
      if (error instanceof Refused) return []
      throw error
    }
  })
}

const wholeOf = ({ query }: SlicedQuery): [QueryScope, string] => [{ query, outer: null }, 'its query']

/** Reads queries for the columns of a table, and notes the `meetings`: where a condition asks a column of something else to be a column of it. */
function readerOf(of: number, facts: SliceFacts) {
  const { name, columns, heirs } = facts.relations.get(of)!
  const touched = new Map<TreeNode, number>()
  const meetings: { entry: TreeNode; scope: QueryScope; at: number; column: number }[] = []
  const refuse = (because: string): never => {
    throw new Refused(because)
  }

  const sharesRows = (relation: number) =>
    facts.relations.get(relation)?.heirs.some((heir) => heirs.includes(heir)) ?? false

  /** How often a query reads the table, or a table that shares rows with it, anywhere. */
  function times(scope: QueryScope): number {
    const { query } = scope
    const known = touched.get(query)
    if (known !== undefined) return known
    touched.set(query, 0)
    const found = [
      ...entriesOf(query).map((entry) => {
        const below = readBy(entry, scope, facts)
        if (below === null) return Number(sharesRows(numberIn(entry, 'relid')))
        return below === 'nothing' ? 0 : times(below.scope)
      }),
      ...sublinksOf(query).map((sublink) => times({ query: sublink, outer: scope })),
    ].reduce((sum, each) => sum + each, 0)
    touched.set(query, found)
    return found
  }

  const touches = (scope: QueryScope): boolean => times(scope) > 0

  function readEntry(entry: TreeNode, scope: QueryScope): Carrying {
    const below = readBy(entry, scope, facts)
    if (below === 'nothing') return null
    if (below !== null) return readQuery(below.scope, below.place)
    const relation = numberIn(entry, 'relid')
    if (relation === of)
      return new Map(
        [...columns.keys()].map((column) => [
          column,
          { column, form: formOf(column), bySettings: false, sql: '%s', isOfRow: true },
        ]),
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
    const meet = (found: typeof equalities) =>
      meetings.push(
        ...found.flatMap(({ other, key: { carried } }) => {
          const entry = nodesIn(query, 'rtable')[numberIn(other, 'varno') - 1]!
          const { column, isOfRow } = carried
          return isOfRow && isColumn(carried) ? { entry, scope, at: numberIn(other, 'varattno'), column } : []
        }),
      )
    const join = item.tag === 'FROMEXPR' ? inner : textIn(item, 'jointype')
    if (join === inner) {
      meet(equalities)
      const equal = equalities.map(({ other, key }) => [placeOf(other), key.resolved] as const)
      return { ...reader, equal: new Map([...reader.equal, ...equal]) }
    }
    const kept = [left, right].indexOf(join)
    const among = (side: number) => {
      const indexes = indexesOf(joined[side] ?? null)
      return equalities.filter(({ other }) => indexes.includes(numberIn(other, 'varno')))
    }
    if (reader === sides[kept]) {
      meet(among(1 - kept))
      return reader
    }
    // A row without a match has no value of the table, but it may have what the match would be equal to.
    const because = `${place} has ${name} on the side of an outer join that is null without a match, which depends on all slices`
    return {
      columns: new Map<string, Carried | Lost>([
        ...[...reader.columns.keys()].map((column) => [column, { because }] as const),
        ...among(kept).map(({ other, key }) => [placeOf(other), { ...key.carried, isOfRow: false }] as const),
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
      return { ...each, isOfRow: one !== null && other !== null && each.isOfRow && same.isOfRow }
    }
    return (
      (one ?? other) && new Map([...(one ?? other)!].map(([column, each]) => [column, both(column, each)]))
    )
  }

  return { readQuery, readEntry, readsRecursively, times, meetings }
}

/** The form of a column of the table itself. */
const formOf = (column: number): string => `column ${column}`

/** Whether a value is that of the column itself, and nothing computed from it. */
const isColumn = ({ column, form }: Carried): boolean => form === formOf(column)

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
