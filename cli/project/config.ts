import { pathToFileURL } from 'node:url'
import { type LoadedConfig, loadConfig } from '../../src/config/load-config.ts'
import { relativePath } from '../../src/loading/import-files.ts'

const loaded = new Map<string, Promise<LoadedConfig>>()

/** The configuration of the current folder. Its file is read once. */
export function readConfig(): Promise<LoadedConfig> {
  const folder = process.cwd()
  const config = loaded.get(folder) ?? loadConfig(pathToFileURL(`${folder}/`))
  loaded.set(folder, config)
  return config
}

export type Folders = LoadedConfig['folders']

/** The folders that the command line reads and writes, as the configuration of the current folder names them. */
export const readFolders = async (): Promise<Folders> => (await readConfig()).folders

/** The region of an environment in the configuration. Undefined: the region of the AWS credentials. */
export const regionOf = async (environment: string): Promise<string | undefined> =>
  (await readConfig()).environments[environment]?.region

/** A folder or file as people know it, from the current folder: `views/`. */
export const shownPath = (url: URL): string => `${relativePath(url.href)}${url.href.endsWith('/') ? '/' : ''}`
