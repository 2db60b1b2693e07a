import { displayName, parseName, type QualifiedName, quoteName, type ViewName } from '../names.ts'
import { SqlReader } from '../sql-tokens.ts'
import type { Definition } from '../views/definition.ts'
import { type FrozenMigration, frozenState, viewAfter, viewChangesOf } from './frozen.ts'

/** A view that is frozen and that no later migration has removed, and the migration that says how it is. */
export interface LivingView {
  definition: Definition
  migration: FrozenMigration
}

/** The views that a database with these migrations has to have, in the order in which they were frozen. */
export function livingViews(migrations: FrozenMigration[]): LivingView[] {
  const latest = new Map<string, FrozenMigration>()
  for (const migration of migrations) {
    for (const change of viewChangesOf(migration.up.change))
      if (change.does === 'define' || change.does === 'rename')
        latest.set(quoteName(viewAfter(change)), migration)
  }
  return [...frozenState(migrations)].map(([name, definition]) => ({
    definition,
    migration: latest.get(name) as FrozenMigration,
  }))
}

/** Whether one of these migrations makes a view anew, or removes it. One that changes several views needs them all. */
export const isMadeAnyway = (view: QualifiedName, pending: FrozenMigration[]): boolean =>
  pending.some(
    ({ up: { change } }) =>
      (change.does === 'define' || change.does === 'drop') &&
      quoteName(viewAfter(change)) === quoteName(view),
  )

/** Something that own SQL makes, and its file. */
export interface OwnObject extends ViewName {
  /** In the words of SQL: `view`, `table`, `function`. */
  kind: string
  file: string
}

const kinds = ['materialized view', 'view', 'foreign table', 'table', 'function'] as const

/**
 * What the statements of own SQL make and no later one drops or renames. Statements inside functions and `do` blocks are
 * not seen. Names without a schema are told apart by their last part only: the search path is not known here.
 */
export function madeByOwnSql(files: { file: string; statements: string[] }[]): OwnObject[] {
  const made = new Map<string, OwnObject>()
  for (const { file, statements } of files) {
    for (const statement of statements) {
      const said = new SqlReader(statement)
      const does = said.takes('create or replace', 'create', 'drop', 'alter')
      said.takes('recursive', 'unlogged')
      const kind = said.takes(...kinds)
      if (does === undefined || kind === undefined) continue
      said.takes('if not exists', 'if exists')
      const first = said.takesName()
      if (first === undefined) continue
      if (does.startsWith('create')) made.set(first.name, { ...first, kind, file })
      if (does === 'alter' && !said.finds('rename to', 'set schema')) continue
      if (does === 'alter') made.delete(first.name)
      if (does !== 'drop') continue
      for (
        let name: ViewName | undefined = first;
        name !== undefined;
        name = said.finds(',') && said.takesName()
      )
        made.delete(name.name)
    }
  }
  return [...made.values()]
}

/** Whether a query may read something of this name: the name is a word of its text. */
const mentions = (sql: string, { name }: ViewName): boolean =>
  new RegExp(`(^|[^\\w$])${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}($|[^\\w$])`, 'i').test(sql)

/** The views among `others` that a view declares to read. */
export function declaredAmong({ schema, dependsOn }: Definition, others: QualifiedName[]): QualifiedName[] {
  const names = dependsOn.map((text) => {
    const declared = parseName(text, 'dependsOn')
    return quoteName({ schema: declared.schema ?? schema, name: declared.name })
  })
  return others.filter((other) => names.includes(quoteName(other)))
}

/** What a view may need that is missing as well: other views, and what own SQL makes. */
export function firstNeeded(
  { sql, schema, name }: Definition,
  { views, own }: { views: QualifiedName[]; own: OwnObject[] },
): string[] {
  return [
    ...views
      .filter((other) => quoteName(other) !== quoteName({ schema, name }) && mentions(sql, other))
      .map((other) => `${displayName(other)} is missing too.`),
    ...own
      .filter((each) => mentions(sql, each))
      .map(
        (each) =>
          `${kindAtStart(each)} ${displayName(each)} is made by migrations/${each.file}, which is ` +
          'own SQL: execute its statement by hand, then repair again.',
      ),
  ]
}

const kindAtStart = ({ kind }: OwnObject): string =>
  kind === 'view' ? 'Plain view' : kind.charAt(0).toUpperCase() + kind.slice(1)
