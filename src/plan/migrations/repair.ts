import { displayName, parseName, type QualifiedName, quoteName, type ViewName } from '../names.ts'
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

const identifier = '(?:"(?:[^"]|"")+"|[^\\s"(,;.]+)'
const dotted = `${identifier}(?:\\s*\\.\\s*${identifier})?`
const kinds = 'materialized\\s+view|view|foreign\\s+table|table|function'
const creates = new RegExp(
  `^create\\s+(?:or\\s+replace\\s+)?(?:recursive\\s+|unlogged\\s+)?(${kinds})\\s+(?:if\\s+not\\s+exists\\s+)?(${dotted})`,
  'i',
)
const drops = new RegExp(`^drop\\s+(?:${kinds})\\s+(?:if\\s+exists\\s+)?(.*)$`, 'is')
const moves = new RegExp(
  `^alter\\s+(?:${kinds})\\s+(?:if\\s+exists\\s+)?(${dotted}).*\\s(?:rename\\s+to|set\\s+schema)\\s`,
  'is',
)

/**
 * What the statements of own SQL make and no later one drops or renames. `statements` has those of each file, without
 * comments. Statements inside functions and `do` blocks are not seen.
 */
export function madeByOwnSql(files: { file: string; statements: string[] }[]): OwnObject[] {
  const made = new Map<string, OwnObject>()
  for (const { file, statements } of files) {
    for (const statement of statements) {
      const [, kind = '', name] = creates.exec(statement) ?? []
      const gone = moves.exec(statement)?.[1] ?? drops.exec(statement)?.[1] ?? ''
      for (const [text] of gone.matchAll(new RegExp(dotted, 'g'))) made.delete(keyOf(text))
      if (name !== undefined) made.set(keyOf(name), { ...read(name), kind: kind.toLowerCase(), file })
    }
  }
  return [...made.values()]
}

/** Names without a schema are told apart by their last part only: the search path is not known here. */
const keyOf = (text: string): string => read(text).name

function read(text: string): ViewName {
  try {
    return parseName(text.replace(/\s*\.\s*/, '.'))
  } catch {
    return { schema: null, name: text }
  }
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
