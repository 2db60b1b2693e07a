import { Problem } from '../../problem.ts'
import type { Touched } from '../../set-aside/plan/items.ts'
import { quoteName } from '../../sql/names.ts'
import { statementsIn } from '../../sql/sql-tokens.ts'
import { FollowedNames, nameOf, type RangeVar, type Tree } from './followed-names.ts'
import { parse } from './parser.ts'

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
      return (stmts as unknown as { stmt: Tree }[]).flatMap(({ stmt }) => {
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

function touchedBy({ AlterTableStmt: alter, DropStmt: drop, RenameStmt: rename }: Tree): Touched[] {
  if (alter !== undefined) {
    const commands = (alter.cmds as { AlterTableCmd: { subtype: string; name?: string } }[]).map(
      (each) => each.AlterTableCmd,
    )
    const columns = commands.flatMap(({ subtype, name }) =>
      (subtype === 'AT_AlterColumnType' || subtype === 'AT_DropColumn') && name !== undefined ? [name] : [],
    )
    return [
      {
        relation: nameOf(alter.relation as RangeVar),
        columns,
        constraints: commands.some(({ subtype }) => subtype === 'AT_DropConstraint'),
        dropped: false,
        locked: true,
      },
    ]
  }
  if (drop !== undefined && droppable.has(drop.removeType as string)) {
    return (drop.objects as { List: { items: { String: { sval: string } }[] } }[]).map(({ List }) => {
      const [name = '', schema = null] = List.items.map(({ String: { sval } }) => sval).toReversed()
      return {
        relation: { schema, name },
        columns: null,
        constraints: false,
        dropped: true,
        locked: true,
      }
    })
  }
  const renamed = rename?.relation as RangeVar | undefined
  return renamed === undefined
    ? []
    : [{ relation: nameOf(renamed), columns: [], constraints: false, dropped: false, locked: true }]
}

const droppable = new Set(['OBJECT_TABLE', 'OBJECT_VIEW', 'OBJECT_MATVIEW', 'OBJECT_FOREIGN_TABLE'])

/** Refuses a statement that the server executes only outside a transaction, or that ends one. */
function insistOnTransaction(file: string, stmt: Tree): void {
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
