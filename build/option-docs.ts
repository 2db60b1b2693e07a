import { readFileSync } from 'node:fs'
import ts from 'typescript'
import * as z from 'zod'
import { environment } from '../infra/environment/environment.ts'
import { optionFields } from '../infra/environment/valid-options.ts'
import { viewFields } from '../src/authored/view-schema.ts'
import { definitionDefaults } from '../src/catalog/plan/definition.ts'
import { commonFields } from '../src/config/fields.ts'
import { serveOptions } from '../src/config/serve-options.ts'
import { texts, types } from '../src/config/told.ts'

type Schema = z.core.$ZodType
type Fields = Record<string, Schema>

/** What zod holds of each kind of schema, as far as options have it. */
interface Held {
  type: string
  innerType: Schema
  in: Schema
  entries: Record<string, string>
  values: unknown[]
  options: Schema[]
  element: Schema
  valueType: Schema
  shape: Fields
  defaultValue: unknown
}

const heldBy = (schema: Schema): Held => schema._zod.def as unknown as Held

const wrappers = ['optional', 'default', 'prefault']
const isWrapped = (schema: Schema): boolean => wrappers.includes(heldBy(schema).type)

/** A value as it stands in TypeScript. */
const written = (value: unknown): string =>
  typeof value === 'string' ? `'${value}'` : String(JSON.stringify(value))

/** An object as it stands in TypeScript, a field to a line. */
function literal(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return written(value)
  const lines = Object.entries(value).map(
    ([name, field]) => `${indent}  ${name}: ${literal(field, `${indent}  `)},\n`,
  )
  return `{\n${lines.join('')}${indent}}`
}

/** The type of what a user writes. */
function typeOf(schema: Schema): string {
  const held = heldBy(schema)
  if (isWrapped(schema)) return typeOf(held.innerType)
  const own = types.get(schema as z.ZodType)
  if (own !== undefined) return own.name
  switch (held.type) {
    case 'pipe':
      return typeOf(held.in)
    case 'enum':
      return Object.values(held.entries).map(written).join(' | ')
    case 'literal':
      return held.values.map(written).join(' | ')
    case 'union':
      return held.options.map(typeOf).join(' | ')
    case 'array':
      return heldBy(held.element).type === 'enum'
        ? `(${typeOf(held.element)})[]`
        : `${typeOf(held.element)}[]`
    case 'record':
      return `Record<string, ${typeOf(held.valueType)}>`
    default:
      return held.type
  }
}

/** The objects within a schema, from the outside in. */
function objectsIn(schema: Schema): Schema[] {
  const held = heldBy(schema)
  if (isWrapped(schema)) return objectsIn(held.innerType)
  if (held.type === 'union') return held.options.flatMap(objectsIn)
  if (held.type === 'record') return objectsIn(held.valueType)
  return held.type === 'object' ? [schema] : []
}

const told = (schema: Schema) => texts.get(schema as z.ZodType)

/** What stands for a field that is left out, which may be this value; undefined if the field is required. */
function otherwiseOf(
  schema: Schema,
  value: unknown = heldBy(schema).defaultValue,
): { value: string } | { text: string } | undefined {
  if (!isWrapped(schema)) return undefined
  const text = told(schema)?.otherwise
  return text === undefined ? { value: written(value) } : { text }
}

/** A text in lines that fit. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

const withoutLinks = (text: string): string => text.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1')

function comment(text: string, otherwise: ReturnType<typeof otherwiseOf>, indent: string): string[] {
  const lines = wrapped(withoutLinks(text), 116)
  if (otherwise === undefined && lines.length === 1) return [`${indent}/** ${lines[0]} */`]
  const standard =
    otherwise === undefined
      ? []
      : [`@default ${'value' in otherwise ? otherwise.value : `- ${otherwise.text}`}`]
  return [`${indent}/**`, ...[...lines, ...standard].map((line) => `${indent} * ${line}`), `${indent} */`]
}

function typeLines(
  name: string,
  text: string,
  fields: Fields,
  { base = '', defaults = {} }: { base?: string; defaults?: Record<string, unknown> } = {},
): string {
  const lines = Object.entries(fields).flatMap(([field, schema]) => {
    const said = told(schema)
    return [
      ...(said === undefined ? [] : comment(said.text, otherwiseOf(schema, defaults[field]), '  ')),
      `  readonly ${field}${isWrapped(schema) ? '?' : ''}: ${typeOf(schema)}`,
    ]
  })
  return [...comment(text, undefined, ''), `export interface ${name}${base} {`, ...lines, '}'].join('\n')
}

const without = (fields: Fields, others: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !Object.hasOwn(others, name)))

const common = commonFields()

const ownFields = Object.fromEntries(
  Object.entries(environment.shape).filter(
    ([name, schema]) => optionFields[name as keyof typeof optionFields] !== schema,
  ),
)

/** `src/config/options.ts`: the types of all options, in plain TypeScript, so that the package's types need no library. */
export function optionTypes(): string {
  const objects = new Map<string, string>()
  const visit = (fields: Fields) => {
    for (const object of Object.values(fields).flatMap(objectsIn)) {
      const { name, text } = types.get(object as z.ZodType)!
      objects.set(name, typeLines(name, text!, heldBy(object).shape))
      visit(heldBy(object).shape)
    }
  }
  visit({ ...environment.shape, ...serveOptions.shape })
  return [
    '// biome-ignore-all format: made by `npm run docs` from src/config/fields.ts, src/config/notify.ts and infra/environment: change an option there.',
    typeLines(
      'CommonOptions',
      'What `viewkeeper serve` and an environment on AWS may be told. Every field has a default.',
      common,
    ),
    typeLines(
      'ServeOptions',
      'What `viewkeeper serve` may be told besides its database.',
      without(serveOptions.shape, common),
      { base: ' extends CommonOptions' },
    ),
    typeLines(
      'ViewkeeperOptions',
      'What an environment on AWS may be told besides its database. Every field has a default.',
      without(optionFields, common),
      { base: ' extends CommonOptions' },
    ),
    typeLines(
      'EnvironmentOptions',
      'One environment: where it is deployed, its database, and all other options.',
      ownFields,
      { base: ' extends ViewkeeperOptions' },
    ),
    ...objects.values(),
    `/** The options of which none is given. */\nexport const defaults = ${literal(
      z.strictObject(optionFields).parse({}),
    )} satisfies ViewkeeperOptions`,
  ]
    .join('\n\n')
    .concat('\n')
}

/** The options of an environment as a table. */
export const optionTable = (): string =>
  [
    tableHead('field'),
    ...Object.entries({ ...ownFields, ...optionFields, ...environment.shape })
      .toSorted(([name], [other]) => Number(name === 'database') - Number(other === 'database'))
      .flatMap(([name, schema]) => rows(name, schema)),
    '',
  ].join('\n')

/** The options of `viewkeeper serve` as a table. */
export const serveTable = (): string =>
  [
    tableHead('field'),
    ...Object.entries(serveOptions.shape).flatMap(([name, schema]) => rows(name, schema)),
    '',
  ].join('\n')

/** The head of a table of fields. */
const tableHead = (of: string) => `| ${of} | | default (empty: required) |\n|---|---|---|`

const row = (...cells: string[]) => `| ${cells.join(' | ')} |`.replaceAll(/ {2,}/g, ' ')

/** The default of a field as a cell of a table. */
const standardOf = (otherwise: ReturnType<typeof otherwiseOf>): string =>
  otherwise === undefined
    ? ''
    : 'value' in otherwise
      ? `\`${otherwise.value.replaceAll("'", '')}\``
      : otherwise.text

function rows(path: string, schema: Schema): string[] {
  return [
    row(`\`${path}\``, told(schema)?.text ?? '', standardOf(otherwiseOf(schema))),
    ...objectsIn(schema).flatMap((object) =>
      Object.entries(heldBy(object).shape).flatMap(([name, field]) =>
        name === 'kind'
          ? row(`*\`${path}.kind: ${typeOf(field)}\`*`, types.get(object as z.ZodType)!.text!, '')
          : rows(`${path}.${name}`, field),
      ),
    ),
  ]
}

const comesFrom = '// Made by `npm run docs` from view-schema.ts: change a field there.'

/** `src/authored/view-input.ts`: what `defineView` takes. */
export const viewInput = (): string =>
  [
    comesFrom,
    "import type { Checks } from '../catalog/plan/checks.ts'\nimport type { RowCountStrategy, Strategy } from '../catalog/plan/definition.ts'\nimport type { GrantInput, IndexInput, QueryInput } from './inputs.ts'",
    typeLines('ViewInput', 'A view as its author writes it.', viewFields, { defaults: definitionDefaults }),
  ]
    .join('\n\n')
    .concat('\n')

/** The fields of a view as a table. */
export const fieldTable = (): string =>
  [
    tableHead('field'),
    ...Object.entries(viewFields).map(([field, schema]) => {
      const value = (definitionDefaults as Record<string, unknown>)[field]
      return row(`\`${field}\``, told(schema)!.text, standardOf(otherwiseOf(schema, value)))
    }),
    '',
  ].join('\n')

/** The interfaces of the props, in the order of the page, which says in a sentence what `CdkOptions` has. */
const propTypes = ['ViewkeeperCommonProps', 'RdsOptions']

/** The props of the construct as a table: what their types say. */
export function propTable(): string {
  const types = new URL('../infra/viewkeeper-props.ts', import.meta.url)
  const file = ts.createSourceFile(types.pathname, readFileSync(types, 'utf8'), ts.ScriptTarget.Latest, true)
  const interfaces = file.statements.filter(ts.isInterfaceDeclaration)
  const members = propTypes.flatMap((type) => interfaces.find(({ name }) => name.text === type)!.members)
  const inOneLine = (comment: ts.JSDoc['comment']) =>
    ts.getTextOfJSDocComment(comment)!.replaceAll(/\s+/g, ' ')
  const rowOf = (member: ts.TypeElement) => {
    const [{ comment, tags = [] }] = ts.getJSDocCommentsAndTags(member) as [ts.JSDoc]
    const [otherwise] = tags
      .map((tag) => inOneLine(tag.comment))
      .map((text) => (text.startsWith('- ') ? { text: text.slice(2) } : { value: text }))
    return row(`\`${member.name!.getText()}\``, inOneLine(comment), standardOf(otherwise))
  }
  return [tableHead('prop'), ...members.map(rowOf), ''].join('\n')
}
