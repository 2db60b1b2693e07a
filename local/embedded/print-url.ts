import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readOptions } from '../../serve/process/options.ts'
import { findLiveServer } from './lock.ts'

/** The address of the embedded server that runs on a folder, with its password; undefined if none runs. */
export function findLiveUrl(folder: string): string | undefined {
  const server = findLiveServer(join(folder, 'postgres-18'))
  if (server === undefined) return undefined
  const password = readFileSync(join(folder, 'password'), 'utf8')
  return `postgres://postgres:${password}@127.0.0.1:${server.port}/postgres`
}

/**
 * Prints the address of the embedded server that `command` runs, for DATABASE_URL and psql. The address holds the password.
 * Ends the process with 1 if no server runs.
 */
export function printDatabaseUrl(command: string): void {
  const { folder } = readOptions(process.env)
  const url = findLiveUrl(folder)
  if (url === undefined) {
    console.error(`viewkeeper: no PostgreSQL runs on ${folder}/; start it with ${command}`)
    process.exit(1)
  }
  console.log(url)
}
