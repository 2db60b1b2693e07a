import { mkdir, rm } from 'node:fs/promises'
import { type Definition, definitionDefaults } from '../../src/plan/views/definition.ts'
import { folders } from './folders.ts'
import { writeNew } from './write-new.ts'

/**
 * Writes a `.ts` and a `.sql` file for each definition into `views/`: all of them or none. Never replaces a
 * file.
 */
export async function writeViewFiles(definitions: Definition[]): Promise<URL[]> {
  const written: URL[] = []
  const write = async (name: string, text: string) => {
    const file = new URL(name, folders.views)
    await mkdir(new URL('./', file), { recursive: true })
    await writeNew(file, text)
    written.push(file)
  }
  try {
    for (const definition of definitions) {
      const base = fileBase(definition)
      await write(`${base}.sql`, `${definition.sql}\n`)
      await write(`${base}.ts`, viewModule(definition))
    }
  } catch (error) {
    await Promise.all(written.map((file) => rm(file)))
    throw error
  }
  return written
}

/** The files of schema `public` are in `views/`, those of any other schema in a folder of its name. */
const fileBase = ({ schema, name }: Definition): string => (schema === 'public' ? name : `${schema}/${name}`)

/** The module that defines a view. Fields with their default value are left out. */
function viewModule(definition: Definition): string {
  const { schema, name, sql: _, ...rest } = definition
  const changed = Object.entries(rest).filter(
    ([field, value]) =>
      JSON.stringify(value) !== JSON.stringify(definitionDefaults[field as keyof typeof definitionDefaults]),
  )
  const fields = [
    ...(schema === definitionDefaults.schema ? [] : [`schema: ${literal(schema)}`]),
    `name: ${literal(name)}`,
    'query',
    ...changed.map(([field, value]) => `${field}: ${literal(value)}`),
  ]
  return `import { defineView } from 'viewkeeper'
import query from './${name}.sql'

export default defineView({
${fields.map((field) => `  ${field},\n`).join('')}})
`
}

/** A value as TypeScript source. */
function literal(value: unknown): string {
  if (typeof value === 'string') {
    const quoted = JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"')
    return value.includes("'") && !value.includes('"') ? `"${quoted}"` : `'${quoted.replaceAll("'", "\\'")}'`
  }
  if (Array.isArray(value)) {
    const items = value.map(literal)
    return items.some((item) => item.startsWith('{'))
      ? `[\n${items.map((item) => `    ${item},\n`).join('')}  ]`
      : `[${items.join(', ')}]`
  }
  if (value !== null && typeof value === 'object') {
    return `{ ${Object.entries(value)
      .map(([key, member]) => `${key}: ${literal(member)}`)
      .join(', ')} }`
  }
  return String(value)
}
