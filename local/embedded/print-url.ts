import { readOptions } from '../../serve/process/options.ts'
import { findLiveUrl } from './live-url.ts'

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
