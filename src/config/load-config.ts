import { existsSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { importProblem, withImports } from '../loading/import-files.ts'
import { nearest } from '../words/names.ts'
import { Problem } from '../words/problem.ts'
import type { Config, EnvironmentConfig } from './config.ts'
import type { ServeOptions } from './options.ts'

/** The configuration of a folder, with every default filled in. */
export interface LoadedConfig {
  /** The name of the file; null if there is none. */
  file: string | null
  folders: { views: URL; migrations: URL }
  environments: Record<string, EnvironmentConfig>
  serve: ServeOptions
}

/** The names that the file may have. Not `.js`, which `tsc` makes of the first. */
export const configFiles = ['viewkeeper.config.ts', 'viewkeeper.config.mjs']

/**
 * Reads the configuration of a folder. A folder without the file has the defaults. Refuses (InvalidRequest) a file that
 * cannot be imported or says what no configuration says, and lists all mistakes by field.
 */
export async function loadConfig(folder: URL): Promise<LoadedConfig> {
  const found = configFiles.filter((name) => existsSync(new URL(name, folder)))
  if (found.length > 1)
    throw new Problem('InvalidRequest', `There are ${found.join(' and ')}. Remove all of them but one.`)
  const [file = null] = found
  const {
    folders = {},
    environments = {},
    serve = {},
  } = file === null ? {} : checkConfig(file, await importDefault(file, folder))
  const folderAt = (path: string) => pathToFileURL(`${fileURLToPath(new URL(path, folder))}/`)
  return {
    file,
    folders: {
      views: folderAt(folders.views ?? 'views'),
      migrations: folderAt(folders.migrations ?? 'migrations'),
    },
    environments,
    serve,
  }
}

function importDefault(name: string, folder: URL): Promise<unknown> {
  const path = fileURLToPath(new URL(name, folder))
  return withImports(async (importFile) => {
    try {
      return (await importFile(path)).default
    } catch (error) {
      const { file, line, message } = importProblem(path, error)
      throw new Problem('InvalidRequest', `${file}:${line}  ${message}`, { cause: error })
    }
  })
}

/** A configuration that a file exports. Refuses (InvalidRequest) what is none, and lists all mistakes by field. */
function checkConfig(file: string, exported: unknown): Config {
  const mistakes = isObject(exported)
    ? mistakesIn(exported)
    : ['it exports no configuration: write "export default defineConfig({})"']
  if (mistakes.length === 0) return exported as Config
  throw new Problem('InvalidRequest', [`${file} is not valid:`, ...mistakes].join('\n  '))
}

function mistakesIn(config: Record<string, unknown>): string[] {
  const { folders = {}, environments = {}, serve = {} } = config
  return [
    ...unknownFields(config, ['folders', 'environments', 'serve']),
    ...(isObject(folders)
      ? [
          ...unknownFields(folders, ['views', 'migrations'], 'folders.'),
          ...Object.entries(folders)
            .filter(([, folder]) => typeof folder !== 'string' || folder === '')
            .map(([name]) => `folders.${name} must be the path of a folder`),
        ]
      : ["folders must be an object, such as { views: 'views', migrations: 'migrations' }"]),
    ...(isObject(environments)
      ? Object.entries(environments).flatMap(([name, environment]) =>
          isObject(environment)
            ? [
                ...unknownFields(environment, ['region', 'profile'], `environments.${name}.`),
                ...Object.entries(environment)
                  .filter(([, value]) => typeof value !== 'string' && value !== undefined)
                  .map(([field]) => `environments.${name}.${field} must be a text`),
              ]
            : [`environments.${name} must be an object`],
        )
      : ['environments must be an object, with each environment by its name']),
    ...(isObject(serve) ? [] : ['serve must be an object, such as { batchConcurrency: 4 }']),
  ]
}

function unknownFields(of: Record<string, unknown>, fields: string[], path = ''): string[] {
  return Object.keys(of)
    .filter((name) => !fields.includes(name))
    .map((name) => {
      const meant = nearest(name, fields)
      const hint = meant === undefined ? `the fields are ${fields.join(', ')}` : `did you mean ${meant}?`
      return `${path}${name} is not a field: ${hint}`
    })
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
