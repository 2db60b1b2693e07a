import { readFileSync } from 'node:fs'
import ts from 'typescript'
import * as z from 'zod'
import { viewFields } from '../src/authored/view-schema.ts'
import { definitionDefaults } from '../src/catalog/plan/definition.ts'
import { commonFields, serveOptions, sharedFields, texts } from '../src/config/fields.ts'
import { type Schema, typeOf, written } from './schema-types.ts'

type Fields = Record<string, Schema>

/** What a user writes into an object of these fields. */
const fieldsOf = (shape: z.ZodRawShape): Fields =>
  z.toJSONSchema(z.object(shape), {
    io: 'input',
    unrepresentable: 'any',
    metadata: texts,
    override: ({ zodSchema, jsonSchema }) => {
      jsonSchema.isRequired = zodSchema._zod.optin === undefined
    },
  }).properties as Fields

/** The objects that a field may have and that are described field by field. */
const objectsIn = (field: Schema): Schema[] =>
  [field.anyOf ?? field.oneOf ?? field, field.additionalProperties || []]
    .flat()
    .filter(({ named }) => named?.text !== undefined)

/** What stands for a field that is left out: a value, or `- ` and a text; undefined if the field is required. */
const otherwiseOf = ({ isRequired, otherwise, default: value }: Schema): string | undefined =>
  isRequired ? undefined : otherwise === undefined ? written(value) : `- ${otherwise}`

function comment(text: string, otherwise: string | undefined, indent: string): string[] {
  const lines = text.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1').match(/(\S.{0,115}|\S+)(?= |$)/g)!
  if (otherwise === undefined && lines.length === 1) return [`${indent}/** ${lines[0]} */`]
  if (otherwise !== undefined) lines.push(`@default ${otherwise}`)
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`]
}

function typeLines(name: string, text: string, fields: Fields, base?: string): string {
  const lines = Object.entries(fields).flatMap(([name, field]) => [
    ...(field.text === undefined ? [] : comment(field.text, otherwiseOf(field), '  ')),
    `  readonly ${name}${field.isRequired ? '' : '?'}: ${typeOf(field)}`,
  ])
  const head = `export interface ${name}${base === undefined ? '' : ` extends ${base}`} {`
  return [...comment(text, undefined, ''), head, ...lines, '}'].join('\n')
}

/** The fields that the others lack, or say otherwise. */
const without = (fields: Fields, others: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name, { text }]) => others[name]?.text !== text))

const shared = fieldsOf(sharedFields())
const common = fieldsOf(commonFields())
const ofServe = fieldsOf(serveOptions.shape)

/** `src/config/options.ts`: the types of all options, in plain TypeScript, so that the package's types need no library. */
export function optionTypes(): string {
  const objects = new Map<string, string>()
  const visit = (fields: Fields) => {
    for (const object of Object.values(fields).flatMap(objectsIn)) {
      const { name, text } = object.named!
      objects.set(name, typeLines(name, text!, object.properties!))
      visit(object.properties!)
    }
  }
  visit(ofServe)
  const toServe = 'What `viewkeeper serve` may be told besides its database.'
  const toConstruct = 'What `viewkeeper serve`, programs and the construct on AWS are told alike.'
  const toBoth = 'What `viewkeeper serve` and programs may be told. Every field has a default.'
  return [
    '// biome-ignore-all format: made by `npm run docs` from src/config/fields.ts: change an option there.',
    typeLines('SharedOptions', toConstruct, shared),
    typeLines('CommonOptions', toBoth, without(common, shared), 'SharedOptions'),
    typeLines('ServeOptions', toServe, without(ofServe, common), 'CommonOptions'),
    ...objects.values(),
    `/** The options of which none is given. */\nexport const defaults = ${written(z.strictObject(commonFields()).parse({}))} satisfies CommonOptions`,
  ]
    .join('\n\n')
    .concat('\n')
}

/** The options of `viewkeeper serve` as a table. */
export const serveTable = (): string => table(ofServe)

const table = (fields: Fields): string => [tableHead('field'), ...rowsOf(fields), ''].join('\n')

const rowsOf = (fields: Fields): string[] =>
  Object.entries(fields).flatMap(([name, field]) => rows(name, field))

/** The head of a table of fields. */
const tableHead = (of: string) => `| ${of} | | default (empty: required) |\n|---|---|---|`

const row = (...cells: string[]) => `| ${cells.join(' | ')} |`.replaceAll(/ {2,}/g, ' ')

/** The default of a field as a cell of a table. */
const standardOf = (otherwise = '- '): string =>
  otherwise.startsWith('- ') ? otherwise.slice(2) : `\`${otherwise.replaceAll("'", '')}\``

function rows(path: string, field: Schema): string[] {
  return [
    row(`\`${path}\``, field.text ?? '', standardOf(otherwiseOf(field))),
    ...objectsIn(field).flatMap((object) =>
      Object.entries(object.properties!).flatMap(([name, inner]) => rows(`${path}.${name}`, inner)),
    ),
  ]
}

const ofView = Object.fromEntries(
  Object.entries(fieldsOf(viewFields)).map(([name, field]) => [
    name,
    { default: (definitionDefaults as Record<string, unknown>)[name], ...field },
  ]),
)

/** `src/authored/view-input.ts`: what `defineView` takes. */
export const viewInput = (): string =>
  [
    '// Made by `npm run docs` from view-schema.ts: change a field there.',
    "import type { Checks } from '../catalog/plan/checks.ts'\nimport type { LiveDefinition, SlicesDefinition, Strategy, ViewStorage } from '../catalog/plan/definition.ts'\nimport type { GrantInput, IndexInput, QueryInput } from './inputs.ts'",
    typeLines('ViewInput', 'A view as its author writes it.', ofView),
  ]
    .join('\n\n')
    .concat('\n')

/** The fields of a view as a table. */
export const fieldTable = (): string => table(ofView)

/** The props of the construct as a table: what their types say, and the options that `viewkeeper serve` is told alike. */
export function propTable(): string {
  const types = new URL('../infra/props.ts', import.meta.url)
  const file = ts.createSourceFile(types.pathname, readFileSync(types, 'utf8'), ts.ScriptTarget.Latest, true)
  const interfaces = file.statements.filter(ts.isInterfaceDeclaration)
  const { members } = interfaces.find(({ name }) => name.text === 'ViewkeeperProps')!
  const inOneLine = (comment: ts.JSDoc['comment']) =>
    ts.getTextOfJSDocComment(comment)!.replaceAll(/\s+/g, ' ')
  const rowOf = (member: ts.TypeElement) => {
    const [{ comment, tags = [] }] = ts.getJSDocCommentsAndTags(member) as [ts.JSDoc]
    const [otherwise] = tags.map((tag) => inOneLine(tag.comment))
    return row(`\`${member.name!.getText()}\``, inOneLine(comment), standardOf(otherwise))
  }
  return [tableHead('prop'), ...members.map(rowOf), ...rowsOf(shared), ''].join('\n')
}
