import { existsSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { withImports } from '../loading/import-files.ts'
import { importProblem } from '../loading/import-problem.ts'
import { Problem } from '../problem.ts'
import { checkConfig } from './check-config.ts'
import type { EnvironmentOptions, ServeOptions } from './options.ts'

/** The configuration of a folder, with every default filled in. */
export interface LoadedConfig {
  /** The name of the file; null if there is none. */
  file: string | null
  folders: { views: URL; migrations: URL }
  environments: Record<string, EnvironmentOptions>
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
