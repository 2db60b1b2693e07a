import { pathToFileURL } from 'node:url'
import { type LoadedConfig, loadConfig } from '../../src/config/load-config.ts'

let loaded: Promise<LoadedConfig> | undefined

/** The configuration of the current folder. Its file is read once. */
export function readConfig(): Promise<LoadedConfig> {
  loaded ??= loadConfig(pathToFileURL(`${process.cwd()}/`))
  return loaded
}
