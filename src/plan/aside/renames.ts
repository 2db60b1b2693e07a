import { inPlaceOf } from '../acting.ts'
import { type QualifiedName, quoteIdentifier, quoteName } from '../names.ts'
import type { Statement } from '../plan.ts'
import type { Below } from './items.ts'

/** A relation below an item, as it is called now. */
export interface CalledNow extends QualifiedName {
  /** As SQL writes the role. */
  owner: string
  /** Each column with the table in which it is renamed: an inherited one is renamed in the ancestor that it comes from. */
  columns: { number: number; name: string; table: QualifiedName; owner: string }[]
}

/** Statements that give relations and columns their former names, and those that take the former names back. */
export interface Renames {
  there: Statement[]
  back: Statement[]
  /** The roles that rename, as SQL writes them. */
  owners: Set<string>
}

/**
 * What was renamed since the names `below` were read; null if nothing was. A column is the same one under any name. So is a
 * relation, unless another relation has its former name: then that one has taken its place. `isTaken` says so. Pure.
 */
export function renamesSince(
  below: Below[],
  now: Map<number, CalledNow>,
  isTaken: (name: QualifiedName) => boolean,
): Renames | null {
  const columns = new Map<string, Column>()
  const relations: { owner: string; is: QualifiedName; was: QualifiedName }[] = []
  for (const { oid, schema, name, columns: used } of below) {
    const relation = now.get(oid)
    if (relation === undefined) continue
    const isRenamed = relation.schema !== schema || relation.name !== name
    if (isRenamed && isTaken({ schema, name })) continue
    if (isRenamed) relations.push({ owner: relation.owner, is: relation, was: { schema, name } })
    for (const column of columnsSince(used, relation))
      columns.set(quoteName(column.table) + column.is, column)
  }
  if (columns.size + relations.length === 0) return null
  const aside = [...columns.values()].map((column, at) => ({ ...column, aside: `viewkeeper_was_${at}` }))
  const formerly = aside.filter(({ was }) => was !== null)
  const rename = ({ table, owner }: Column, from: string, to: string) =>
    as(
      owner,
      `alter table ${quoteName(table)} rename column ${quoteIdentifier(from)} to ${quoteIdentifier(to)}`,
    )
  return {
    owners: new Set([...columns.values(), ...relations].map(({ owner }) => owner)),
    there: [
      ...aside.flatMap((column) => rename(column, column.is, column.aside)),
      ...formerly.flatMap((column) => rename(column, column.aside, column.was as string)),
      ...relations.flatMap(({ owner, is, was }) => move(owner, is, was)),
    ],
    back: [
      ...relations.toReversed().flatMap(({ owner, is, was }) => move(owner, was, is)),
      ...formerly.flatMap((column) => rename(column, column.was as string, column.aside)),
      ...aside.flatMap((column) => rename(column, column.aside, column.is)),
    ],
  }
}

interface Column {
  table: QualifiedName
  owner: string
  is: string
  /** Null for a column that only has the former name of another one. */
  was: string | null
}

function columnsSince(used: Below['columns'], relation: CalledNow): Column[] {
  const was = new Map(used.map(({ number, name }) => [number, name]))
  const renamed = relation.columns.filter(({ number, name }) => (was.get(number) ?? name) !== name)
  const wanted = new Set(renamed.map(({ number }) => was.get(number)))
  return relation.columns.flatMap((column): Column[] => {
    const { number, name, table, owner } = column
    if (renamed.includes(column)) return [{ table, owner, is: name, was: was.get(number) as string }]
    return wanted.has(name) ? [{ table, owner, is: name, was: null }] : []
  })
}

/** Through a name that nothing has: the schemas may have either name already. */
function move(owner: string, from: QualifiedName, to: QualifiedName): Statement[] {
  const rename = (schema: string, old: string, name: string) =>
    as(owner, `alter table ${quoteName({ schema, name: old })} rename to ${quoteIdentifier(name)}`)
  if (from.schema === to.schema) return rename(to.schema, from.name, to.name)
  const aside = 'viewkeeper_was'
  return [
    ...rename(from.schema, from.name, aside),
    ...as(
      owner,
      `alter table ${quoteName({ schema: from.schema, name: aside })} set schema ${quoteIdentifier(to.schema)}`,
    ),
    ...rename(to.schema, aside, to.name),
  ]
}

const as = (owner: string, sql: string): Statement[] =>
  inPlaceOf(owner, [{ kind: 'command', phase: 'building', sql }])
