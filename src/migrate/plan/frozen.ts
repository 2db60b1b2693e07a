import { type Definition, definitionDefaults } from '../../catalog/plan/definition.ts'
import type { ViewKind } from '../../catalog/plan/live-view.ts'
import { createStatements, madeBy, ownerStatement } from '../../rebuild/plan/create.ts'
import { fill } from '../../rebuild/plan/fill.ts'
import { fillTable } from '../../rebuild/plan/shadow.ts'
import { queryViewOf, quoteIdentifier, quoteName } from '../../sql/names.ts'
import { parseName, type QualifiedName } from '../../words/names.ts'

type Define = { does: 'define'; definition: Definition }

/** New definitions of several views that exist, which the database takes on at one moment. Parents come before children. */
export type Together = { does: 'together'; definitions: Definition[] }

/**
 * What one frozen file does. A file without a header is own SQL, executed as it stands; `alter` names the relations whose
 * readers are taken away before and made again after. `release` leaves the view as it is
 * and makes its definition a discovered one: the way back of a view that was adopted.
 */
export type FrozenChange =
  | Define
  | Together
  | { does: 'release'; view: QualifiedName }
  | ({ does: 'drop'; view: QualifiedName } & OfTable)
  | ({ does: 'rename'; view: QualifiedName; to: QualifiedName } & OfTable)
  | { does: 'sql'; sql: string; alters?: string[] }

/** Whether the view is an incremental table, with which the plain view of its query goes. */
export interface OfTable {
  table?: true | undefined
}

/** What a change that names a view only says of the one that its definition makes. */
export const ofTable = (definition: Definition | undefined): OfTable =>
  definition?.storage === 'table' ? { table: true } : {}

const kindOf = ({ table }: OfTable): ViewKind => (table ? 'table' : 'materialized view')

/** A change that is about one view. */
export type ViewChange = Exclude<FrozenChange, { does: 'sql' | 'together' }>

export const isViewChange = (change: FrozenChange): change is ViewChange =>
  change.does !== 'sql' && change.does !== 'together'

/** A change for each view that a file is about; none for own SQL. */
export const viewChangesOf = (change: FrozenChange): ViewChange[] => partsOf(change).filter(isViewChange)

/** The changes that a file consists of: one for each definition, or the change itself. */
export const partsOf = (change: FrozenChange): Exclude<FrozenChange, Together>[] =>
  change.does === 'together'
    ? change.definitions.map((definition) => ({ does: 'define', definition }))
    : [change]

/** The change that consists of these parts. */
export function ofParts<Part extends FrozenChange>(parts: Part[]): Part | Together {
  const definitions = parts.flatMap(definitionsOf)
  return parts.length === 1 || definitions.length < parts.length
    ? (parts[0] as Part)
    : { does: 'together', definitions }
}

/** The definitions that a file has. */
export const definitionsOf = (change: FrozenChange): Definition[] =>
  partsOf(change).flatMap((part) => (part.does === 'define' ? [part.definition] : []))

/** A frozen file: the change of a migration in one direction, and the reason. */
export interface FrozenFile {
  change: FrozenChange
  /** The reason that the author gave to `freeze`; null in a file without a header. */
  why: string | null
}

/** A numbered pair of frozen files: a change of one view, and the way back. */
export interface FrozenMigration {
  number: number
  /** `004_route_delays`, without the endings. */
  name: string
  up: FrozenText
  /** Null for own SQL without a way back. */
  down: FrozenText | null
  /** SHA-256 of both texts, in hex. */
  checksum: string
}

/** A frozen file with its name and text in the folder. */
export interface FrozenText extends FrozenFile {
  file: string
  text: string
}

const opening = '-- viewkeeper: '

/** Stands above the SQL that makes a view: nobody who reads it shall believe that a view is dropped and filled under its readers. */
const how = '-- A view that is there is not dropped: it is exchanged, and its readers wait about 10 ms.\n'

/**
 * The text of a frozen file: a header of comment lines with the definition as JSON, then plain SQL that is valid on a
 * database without the view (`define`), or on a database with the view (all others). Views that change together have a
 * header and SQL each.
 */
export function renderFrozen({ change, why }: FrozenFile, says = how): string {
  if (change.does === 'sql') return change.sql
  if (change.does === 'together')
    return partsOf(change)
      .map((part) => renderFrozen({ change: part, why }, says))
      .join('\n')
  const statements = isViewChange(change) ? statementsOf(change) : []
  return `${renderHeader({ why, ...headerOf(change) })}${change.does === 'define' ? says : ''}${statements.map((sql) => `${sql};\n`).join('\n')}`
}

/**
 * Reads a frozen file. Null if its SQL differs from its header, because one of the two was edited: the file must never do
 * anything but what its header says.
 */
export function parseFrozen(text: string): FrozenFile | null {
  if (!text.includes(`${opening}{`)) return { change: { does: 'sql', sql: text }, why: null }
  return parseOne(text) ?? parseTogether(text)
}

/** A query may hold a line like the beginning of a header, so a part ends where it can be read. */
function parseTogether(text: string): FrozenFile | null {
  const definitions: Definition[] = []
  let why: string | null = null
  let open: string[] = []
  for (const piece of text.split(/(?<=;\n)\n(?=-- viewkeeper: \{)/)) {
    open.push(piece)
    const part = parseOne(open.join('\n'))
    if (part?.change.does !== 'define') continue
    definitions.push(part.change.definition)
    why = part.why
    open = []
  }
  if (definitions.length < 2 || open.length > 0) return null
  const file: FrozenFile = { change: { does: 'together', definitions }, why }
  return isText(file, text) ? file : null
}

/** Files of before say nothing of how they are applied. */
const isText = (file: FrozenFile, text: string): boolean =>
  [how, ''].some((says) => renderFrozen(file, says) === text)

function parseOne(text: string): FrozenFile | null {
  try {
    const alters = altersOf(text)
    if (alters !== null) return { change: { does: 'sql', sql: text, alters }, why: null }
    const header = readHeader(text)
    const change = header && changeOf(header.fields, text.slice(header.length))
    if (!header || !change) return null
    const file: FrozenFile = { change, why: String(header.fields.why) }
    return isText(file, text) ? file : null
  } catch {
    return null // the header lacks a field, or a field has the wrong type
  }
}

/** The relations that the first line of own SQL names: `-- viewkeeper: {"alters": ["public.orders"]}`. */
function altersOf(text: string): string[] | null {
  const line = /^-- viewkeeper: (\{.*\})[ \t]*(?:\n|$)/.exec(text)?.[1]
  if (line === undefined) return null
  const { alters, ...others } = JSON.parse(line) as { alters?: unknown }
  const isList =
    Array.isArray(alters) && alters.length > 0 && alters.every((name) => typeof name === 'string')
  if (!isList || Object.keys(others).length > 0) return null
  for (const name of alters) parseName(name, 'alters')
  return alters
}

/** The number of lines before the SQL of a file. */
export const headerLines = (text: string): number =>
  text.slice(0, readHeader(text)?.length ?? 0).split('\n').length - 1

/** The statements of a change, in the order of its file. */
export function statementsOf(change: ViewChange): string[] {
  switch (change.does) {
    case 'define': {
      const { definition } = change
      const { owner } = definition
      const made = madeBy(definition)
      return [
        ...made.flatMap((each) => createStatements(each)),
        ...(owner === null ? [] : made.map((each) => ownerStatement(each, quoteIdentifier(owner)))),
        ...(definition.storage === 'table'
          ? [fillTable(definition, definition)]
          : fill(definition, definition)),
      ]
        .filter(({ hidden }) => !hidden)
        .map(({ sql }) => sql)
    }
    case 'drop':
      return [
        `drop ${kindOf(change)} ${quoteName(change.view)}`,
        ...(change.table ? [`drop view ${quoteName(queryViewOf(change.view))}`] : []),
      ]
    case 'rename':
      return renameStatements(change.view, change.to, change)
    case 'release':
      return []
  }
}

/** The name of the view before the change. */
export function viewBefore(change: ViewChange): QualifiedName {
  const { schema, name } = change.does === 'define' ? change.definition : change.view
  return { schema, name }
}

/** The name of the view after the change; a dropped view keeps its name. */
export const viewAfter = (change: ViewChange): QualifiedName =>
  change.does === 'rename' ? change.to : viewBefore(change)

/** Moves a view to another name, schema or both; and the plain view of its query, if it is an incremental table. */
export const renameStatements = (from: QualifiedName, to: QualifiedName, of: OfTable = {}): string[] => [
  ...moving(kindOf(of), from, to),
  ...(of.table ? moving('view', queryViewOf(from), queryViewOf(to)) : []),
]

const moving = (kind: ViewKind, from: QualifiedName, to: QualifiedName): string[] => [
  ...(from.schema === to.schema
    ? []
    : [`alter ${kind} ${quoteName(from)} set schema ${quoteIdentifier(to.schema)}`]),
  ...(from.name === to.name
    ? []
    : [
        `alter ${kind} ${quoteName({ schema: to.schema, name: from.name })} rename to ${quoteIdentifier(to.name)}`,
      ]),
]

type Header = Record<string, unknown>

function headerOf(change: ViewChange): Header {
  switch (change.does) {
    case 'define':
      return { define: withoutDefaults(change.definition) }
    case 'rename':
      return { rename: change.view, to: change.to, ...ofTableIn(change) }
    case 'drop':
      return { drop: change.view, ...ofTableIn(change) }
    case 'release':
      return { release: change.view }
  }
}

const renderHeader = (fields: Header): string => `${opening}${toLines(fields, 3).join('\n-- ')}\n\n`

/** JSON with a line for each field and each item of a list, `depth` objects deep, so that a diff shows what changed. */
function toLines(value: unknown, depth: number): string[] {
  if (value === null || typeof value !== 'object' || depth === 0) return [JSON.stringify(value)]
  const items = Array.isArray(value)
    ? value.map((item) => [JSON.stringify(item)])
    : Object.entries(value).map(([field, held]) => {
        const [first, ...rest] = toLines(held, depth - 1)
        return [`${JSON.stringify(field)}: ${first}`, ...rest]
      })
  if (items.length === 0) return [JSON.stringify(value)]
  const lines = items.flatMap((item, at) =>
    at < items.length - 1 ? [...item.slice(0, -1), `${item.at(-1)},`] : item,
  )
  const [open, close] = Array.isArray(value) ? '[]' : '{}'
  return [open as string, ...lines.map((line) => `  ${line}`), close as string]
}

function readHeader(text: string): { fields: Header; length: number } | null {
  const end = text.indexOf('\n-- }\n\n')
  if (!text.startsWith(opening) || end < 0) return null
  const json = text.slice(opening.length, end + '\n-- }'.length).replaceAll('\n-- ', '\n')
  try {
    const length = end + '\n-- }\n\n'.length
    return {
      fields: JSON.parse(json) as Header,
      length: length + (text.startsWith(how, length) ? how.length : 0),
    }
  } catch {
    return null
  }
}

function changeOf(fields: Header, body: string): FrozenChange | null {
  const { define, drop, release, rename, to } = fields as Record<string, QualifiedName | undefined>
  for (const view of [define, drop, release, rename, to]) if (view !== undefined && !isName(view)) return null
  if (define) return { does: 'define', definition: withQuery(define as Omit<Definition, 'sql'>, body) }
  const of = ofTableIn(fields)
  if (drop) return { does: 'drop', view: drop, ...of }
  if (release) return { does: 'release', view: release }
  if (rename && to) return { does: 'rename', view: rename, to, ...of }
  return null
}

const ofTableIn = ({ table }: { table?: unknown }): OfTable => (table === true ? { table } : {})

const isName = ({ schema, name }: QualifiedName): boolean =>
  typeof schema === 'string' && typeof name === 'string'

/** Cuts the query out of the file's SQL: the texts around the query follow from the header. */
function withQuery(header: Omit<Definition, 'sql'>, body: string): Definition {
  const mark = '\0'
  const definition: Definition = { ...definitionDefaults, ...structuredClone(header), sql: mark }
  const around = statementsOf({ does: 'define', definition })
    .map((sql) => `${sql};\n`)
    .join('\n')
  const start = around.indexOf(mark)
  return { ...definition, sql: body.slice(start, body.length - (around.length - start - mark.length)) }
}

/**
 * The fields that differ from their default. A default of `definitionDefaults` may never change, because
 * frozen files omit it. The fields have the order of `definitionDefaults`, so the same definition gives the
 * same text.
 */
function withoutDefaults({ sql: _, schema, name, ...rest }: Definition): Header {
  const said = Object.entries(definitionDefaults)
    .map(([field, usual]) => [field, rest[field as keyof typeof rest], usual] as const)
    .filter(([field, value, usual]) => field !== 'schema' && JSON.stringify(value) !== JSON.stringify(usual))
  return { schema, name, ...Object.fromEntries(said.map(([field, value]) => [field, value])) }
}

/** The definitions after these migrations, by quoted name. */
export function frozenState(migrations: { up: FrozenFile }[]): Map<string, Definition> {
  const state = new Map<string, Definition>()
  for (const change of migrations.flatMap(({ up }) => viewChangesOf(up.change))) {
    if (change.does === 'define') state.set(quoteName(change.definition), change.definition)
    else if (change.does === 'rename') {
      const definition = state.get(quoteName(change.view))
      if (definition !== undefined) state.set(quoteName(change.to), { ...definition, ...change.to })
      state.delete(quoteName(change.view))
    } else state.delete(quoteName(change.view))
  }
  return state
}

/**
 * What a change would be with each later version of its views, the next one first, under the names that the views have here.
 * A view that a later migration drops is left out from then on; null if no view is left. Pure.
 */
export function* laterVersions(
  change: ViewChange | Together,
  later: FrozenMigration[],
): Generator<ViewChange | Together | null> {
  const views = viewChangesOf(change).map((part) => ({ part, name: quoteName(viewAfter(part)) }))
  for (const step of later.flatMap(({ up }) => viewChangesOf(up.change))) {
    const view = views.find(({ name }) => name === quoteName(viewBefore(step)))
    if (view === undefined) continue
    if (step.does === 'rename') view.name = quoteName(step.to)
    else {
      if (step.does === 'drop') views.splice(views.indexOf(view), 1)
      else if (step.does === 'define' && view.part.does === 'define')
        view.part = { ...step, definition: { ...step.definition, ...viewBefore(view.part) } }
      yield views.length === 0 ? null : ofParts(views.map(({ part }) => part))
    }
  }
}
