import { mkdir, rm, writeFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { type Definition, definitionDefaults } from '../../src/catalog/plan/definition.ts'
import { type LoadedConfig, loadConfig } from '../../src/config/load-config.ts'
import { relativePath } from '../../src/loading/import-files.ts'
import type { FrozenMigration } from '../../src/migrate/plan/frozen.ts'
import { fileNameOf } from '../../src/sql/new-names.ts'
import { report } from '../../src/terminal/report.ts'
import type { QualifiedName } from '../../src/words/names.ts'
import { Problem } from '../../src/words/problem.ts'

const loaded = new Map<string, Promise<LoadedConfig>>()

/** The configuration of the current folder. Its file is read once. */
export function readConfig(): Promise<LoadedConfig> {
  const folder = process.cwd()
  const config = loaded.get(folder) ?? loadConfig(pathToFileURL(`${folder}/`))
  loaded.set(folder, config)
  return config
}

type Folders = LoadedConfig['folders']

/** The folders that the command line reads and writes, as the configuration of the current folder names them. */
export const readFolders = async (): Promise<Folders> => (await readConfig()).folders

/**
 * The region of an environment in the configuration. Undefined: the region of the AWS credentials. From now on these are of the
 * environment's profile, unless variables say whose they are.
 */
export async function regionOf(environment: string): Promise<string | undefined> {
  const { region, profile } = (await readConfig()).environments[environment] ?? {}
  const { AWS_PROFILE, AWS_ACCESS_KEY_ID } = process.env
  if (profile && !AWS_PROFILE && !AWS_ACCESS_KEY_ID) process.env.AWS_PROFILE = profile
  return region
}

/** A folder or file as people know it, from the current folder: `views/`. */
export const shownPath = (url: URL): string => `${relativePath(url.href)}${url.href.endsWith('/') ? '/' : ''}`

/** Writes new files into a folder: all of them or none. Refuses to replace a file. */
async function writeNew(folder: URL, files: { file: string; text: string }[]): Promise<URL[]> {
  const written: URL[] = []
  try {
    for (const { file, text } of files) {
      const at = new URL(file, folder)
      await mkdir(new URL('./', at), { recursive: true })
      await writeFile(at, text, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
        throw error.code === 'EEXIST' ? existing(at) : error
      })
      written.push(at)
    }
    return written
  } catch (error) {
    await Promise.all(written.map((file) => rm(file)))
    throw error
  }
}

const existing = (file: URL): Problem =>
  new Problem(
    'InvalidRequest',
    `${shownPath(file)} exists already, and was not changed. Nothing was written.`,
  )

/**
 * Writes a `.ts` and a `.sql` file for each definition into the folder of views: all of them or none. Never
 * replaces a file.
 */
export const writeViewFiles = (definitions: Definition[]): Promise<URL[]> =>
  writeAll(
    definitions.flatMap((definition) => [
      { file: `${fileBase(definition)}.sql`, text: `${definition.sql}\n` },
      { file: `${fileBase(definition)}.ts`, text: viewModule(definition) },
    ]),
  )

/** Writes files into the folder of views: all of them or none. Never replaces a file. */
export const writeAll = async (files: { file: string; text: string }[]): Promise<URL[]> =>
  writeNew((await readFolders()).views, files)

/** Whether the module says the schema: a name with a dot is refused without. */
export const isStated = (schema: string, name: string): boolean =>
  schema !== definitionDefaults.schema || name.includes('.')

/** The files of schema `public` are in the folder of views, those of any other schema in a folder of its name. */
export const fileBase = ({ schema, name }: QualifiedName): string =>
  [...(schema === 'public' ? [] : [schema]), name].map(fileNameOf).join('/')

/** The module that defines a view. Fields with their default value are left out. */
function viewModule(definition: Definition): string {
  const { schema, name, sql: _, ...rest } = definition
  const changed = Object.entries(rest).filter(
    ([field, value]) =>
      JSON.stringify(value) !== JSON.stringify(definitionDefaults[field as keyof typeof definitionDefaults]),
  )
  const fields = [
    ...(isStated(schema, name) ? [`schema: ${literal(schema)}`] : []),
    `name: ${literal(name)}`,
    'query',
    ...changed.map(([field, value]) => `${field}: ${literal(value)}`),
  ]
  return `import { defineView } from 'viewkeeper'
import query from './${fileNameOf(name)}.sql'

export default defineView({
${fields.map((field) => `  ${field},\n`).join('')}})
`
}

/** A value as TypeScript source. */
export function literal(value: unknown): string {
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

/** Writes all of them or none. Never replaces a file. */
export async function writeMigrations(migrations: FrozenMigration[]): Promise<void> {
  const { migrations: folder } = await readFolders()
  await writeNew(
    folder,
    migrations.flatMap(({ up, down }) => (down === null ? [up] : [up, down])),
  )
  for (const { name, down } of migrations)
    report.line(`wrote ${shownPath(folder)}${name}.up.sql${down === null ? '' : ' and .down.sql'}`)
}
