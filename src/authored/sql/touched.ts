import type { Touched } from '../../set-aside/plan/items.ts'
import { quoteName } from '../../sql/names.ts'
import { statementsIn } from '../../sql/statements-in.ts'
import type { ViewName } from '../../words/names.ts'
import { Problem } from '../../words/problem.ts'
import { parse } from './read.ts'

/**
 * Reads which relations a file of SQL changes in a way that views stand in: a column that gets another type or is dropped, a
 * constraint or a relation that is dropped. The server carries views over a rename, so a rename counts only as a lock; what
 * a later statement does under the new name counts under the old one.
 * Blocks (`do`) and functions are not looked into. Refuses (MigrationFailed) what is no SQL, and what cannot be part of a
 * transaction.
 */
export async function readTouched(file: string, text: string): Promise<Touched[]> {
  const begin = () => {
    const names = new FollowedNames()
    return async (part: string): Promise<Touched[]> => {
      const { stmts = [] } = await parse(part)
      return (stmts as unknown as { stmt: ParsedNode }[]).flatMap(({ stmt }) => {
        insistOnTransaction(file, stmt)
        const touched = touchedBy(stmt).flatMap((each) => names.before(each))
        names.follow(stmt)
        return touched
      })
    }
  }
  const found = await inParts(text, begin).catch((error: Error) => {
    if (error instanceof Problem) throw error
    throw new Problem('MigrationFailed', `${file}: ${error.message}. Nothing was changed.`, { cause: error })
  })
  return [...Map.groupBy(found, ({ relation }) => quoteName(relation)).values()].map((same) => ({
    ...(same[0] as Touched),
    columns: same.some(({ columns }) => columns === null)
      ? null
      : [...new Set(same.flatMap(({ columns }) => columns ?? []))],
    constraints: same.some(({ constraints }) => constraints),
    dropped: same.some(({ dropped }) => dropped),
    locked: same.some(({ locked }) => locked),
  }))
}

/** The tree of a statement takes some 12 KB. */
const statementsPerPart = 1000

/** Reads a file in parts, or at once if a part cannot be parsed: only the parser knows every way to quote. */
async function inParts(text: string, begin: () => (part: string) => Promise<Touched[]>): Promise<Touched[]> {
  const read = begin()
  const statements = statementsIn(text)
  const found: Touched[] = []
  try {
    for (let at = 0; at < statements.length; at += statementsPerPart) {
      const part = statements.slice(at, at + statementsPerPart)
      found.push(...(await read(text.slice(part[0]?.from, part.at(-1)?.to))))
    }
    return found
  } catch (error) {
    if (error instanceof Problem) throw error
    return begin()(text)
  }
}

function touchedBy({ AlterTableStmt: alter, DropStmt: drop, RenameStmt: rename }: ParsedNode): Touched[] {
  if (alter !== undefined) {
    const commands = (alter.cmds as { AlterTableCmd: { subtype: string; name?: string } }[]).map(
      (each) => each.AlterTableCmd,
    )
    const columns = commands.flatMap(({ subtype, name }) =>
      (subtype === 'AT_AlterColumnType' || subtype === 'AT_DropColumn') && name !== undefined ? [name] : [],
    )
    const constraints = commands.some(({ subtype }) => subtype === 'AT_DropConstraint')
    return [locking(nameOf(alter.relation as RangeVar), { columns, constraints })]
  }
  if (drop !== undefined && droppable.has(drop.removeType as string)) {
    return (drop.objects as { List: { items: { String: { sval: string } }[] } }[]).map(({ List }) => {
      const [name = '', schema = null] = List.items.map(({ String: { sval } }) => sval).toReversed()
      return locking({ schema, name }, { columns: null, dropped: true })
    })
  }
  const renamed = rename?.relation as RangeVar | undefined
  return renamed === undefined ? [] : [locking(nameOf(renamed))]
}

/** A relation that is locked; what else is done to it, nothing by default. */
const locking = (relation: ViewName, done: Partial<Touched> = {}): Touched => ({
  relation,
  columns: [],
  constraints: false,
  dropped: false,
  locked: true,
  ...done,
})

const droppable = new Set(['OBJECT_TABLE', 'OBJECT_VIEW', 'OBJECT_MATVIEW', 'OBJECT_FOREIGN_TABLE'])

/** Refuses a statement that the server executes only outside a transaction, or that ends one. */
function insistOnTransaction(file: string, stmt: ParsedNode): void {
  const [kind = '', body = {}] = Object.entries(stmt)[0] ?? []
  const refused = (what: string, advice: string) =>
    new Problem('MigrationFailed', `${file}: ${what}. ${advice} Nothing was changed.`)
  if (kind === 'TransactionStmt' && !/SAVEPOINT|RELEASE|ROLLBACK_TO/.test(String(body?.kind ?? ''))) {
    throw refused(
      'the file begins or ends a transaction, and all of it is one transaction with the views',
      'Leave out begin, commit and the like.',
    )
  }
  if (body?.concurrent === true) {
    throw refused(
      'create or drop index concurrently cannot be part of a transaction',
      'Leave it out, and execute it by hand: no view stands in its way.',
    )
  }
  if ((kind === 'VacuumStmt' && body?.is_vacuumcmd === true) || outside.has(kind)) {
    throw refused(
      `a statement of the file (${kind.replace(/Stmt$/, '')}) cannot be part of a transaction`,
      'Leave it out, and execute it by hand.',
    )
  }
}

const outside = new Set([
  'CreatedbStmt',
  'DropdbStmt',
  'CreateTableSpaceStmt',
  'DropTableSpaceStmt',
  'AlterSystemStmt',
])

/** A statement as the parser returns it. */
export type ParsedNode = Record<string, Record<string, unknown> | undefined>

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
class FollowedNames {
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
  }: ParsedNode): void {
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
