import type { LoadedConfig } from '../../src/config/load-config.ts'
import { relativePath } from '../../src/loading/relative-path.ts'
import { readConfig } from './config.ts'

export type Folders = LoadedConfig['folders']

/** The folders that the command line reads and writes, as the configuration of the current folder names them. */
export const readFolders = async (): Promise<Folders> => (await readConfig()).folders

/** A folder or file as people know it, from the current folder: `views/`. */
export const shownPath = (url: URL): string => `${relativePath(url.href)}${url.href.endsWith('/') ? '/' : ''}`
