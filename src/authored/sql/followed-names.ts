import type { Touched } from '../../set-aside/plan/items.ts'
import type { ViewName } from '../../sql/names.ts'

/** A statement as the parser returns it. */
export type Tree = Record<string, Record<string, unknown> | undefined>

/** A relation's name as the parser returns it. */
export interface RangeVar {
  schemaname?: string
  relname: string
}

export const nameOf = ({ schemaname, relname: name }: RangeVar): ViewName => ({
  schema: schemaname ?? null,
  name,
})

/** A relation that a file has renamed or made: its name now, and the names from before the file. */
interface Followed {
  now: ViewName
  /** Null if the file has made the relation. */
  before: ViewName | null
  /** The names of renamed columns, now and before; null before: the file has made the column. */
  columns: Map<string, string | null>
}

/** Follows the names of relations and columns through a file, statement by statement. */
export class FollowedNames {
  /** The last one first. */
  private readonly relations: Followed[] = []

  /** What a statement touches, by the names from before the file. Nothing was there of what the file has made. */
  before(touched: Touched): Touched[] {
    const found = this.find(touched.relation)
    if (found === undefined) return [touched]
    const { before, now, columns } = found
    // Without a schema, the name may mean another relation, too.
    const other = now.schema === touched.relation.schema ? [] : [touched]
    if (before === null) return other
    return [
      {
        ...touched,
        relation: before,
        columns: touched.columns?.flatMap((name) => columnBefore(columns, name) ?? []) ?? null,
      },
      ...other,
    ]
  }

  /** Notes what a statement renames and makes. */
  follow({
    RenameStmt: rename,
    AlterObjectSchemaStmt: move,
    CreateStmt: table,
    CreateTableAsStmt: as,
    ViewStmt: view,
  }: Tree): void {
    const into = as?.into as { rel?: RangeVar } | undefined
    const made = (table?.relation ?? into?.rel ?? view?.view) as RangeVar | undefined
    const mayBeThere = table?.if_not_exists === true || as?.if_not_exists === true || view?.replace === true
    if (made !== undefined && !mayBeThere)
      this.relations.unshift({ now: nameOf(made), before: null, columns: new Map() })
    if (move?.relation !== undefined && relations.has(move.objectType as string)) {
      const followed = this.take(nameOf(move.relation as RangeVar))
      followed.now = { schema: move.newschema as string, name: followed.now.name }
    }
    if (rename?.relation === undefined) return
    const { renameType, subname, newname } = rename as Record<string, string>
    if (renameType === 'OBJECT_COLUMN') {
      const { columns } = this.take(nameOf(rename.relation as RangeVar))
      const before = columnBefore(columns, subname as string)
      columns.delete(subname as string)
      columns.set(newname as string, before)
    } else if (relations.has(renameType as string)) {
      const followed = this.take(nameOf(rename.relation as RangeVar))
      followed.now = { schema: followed.now.schema, name: newname as string }
    }
  }

  private find({ schema, name }: ViewName): Followed | undefined {
    return this.relations.find(
      ({ now }) => now.name === name && (now.schema === schema || now.schema === null || schema === null),
    )
  }

  /** The relation of this name, to be followed from now on. */
  private take(name: ViewName): Followed {
    const found = this.find(name)
    if (found !== undefined) return found
    const followed: Followed = { now: name, before: name, columns: new Map() }
    this.relations.unshift(followed)
    return followed
  }
}

/** Null for a column that the file has made: another one had the name before. */
function columnBefore(columns: Map<string, string | null>, name: string): string | null {
  if (columns.has(name)) return columns.get(name) ?? null
  return [...columns.values()].includes(name) ? null : name
}

const relations = new Set(['OBJECT_TABLE', 'OBJECT_VIEW', 'OBJECT_MATVIEW', 'OBJECT_FOREIGN_TABLE'])
